-- Grain: one billing item (VBRP). Amounts and quantities are stored without a sign; the document category (VBRK-VBTYP)
-- gives it, and inside an invoice the mark of a returns item (SHKZG), which counts against it; in credit memos and returns
-- that mark is the ordinary one of their items and changes nothing. Only where a credit memo has items with it and without
-- it, as an invoice correction has, those without it are debited again. A cancelled document (FKSTO) and the one that cancels
-- it (N, S; SFAKN names its original) stay, flagged: they never count. Pro formas, lists of invoices and requests for a
-- down payment (FKTYP P) bill nothing and are left out by name.
WITH category (VBTYP, document_type, direction, left_out) AS (
    VALUES
        ('M', 'invoice', 1, NULL),
        ('P', 'debit_note', 1, NULL),
        ('5', 'invoice', 1, NULL),                     -- intercompany invoice
        ('S', 'debit_note', 1, NULL),                  -- cancels a credit memo
        ('O', 'credit_note', -1, NULL),
        ('N', 'credit_note', -1, NULL),                -- cancels an invoice
        ('6', 'credit_note', -1, NULL),                -- intercompany credit memo
        ('U', NULL, NULL, 'pro_forma_invoice'),
        ('3', NULL, NULL, 'invoice_list'),
        ('4', NULL, NULL, 'credit_memo_list')
),
ratio AS (
    -- A ratio that is entered anew under a later date is still the same one.
    SELECT DISTINCT FCURR, TCURR, FFACT, TFACT FROM TCURF WHERE KURST = 'M'
),
header AS (
    -- A rate above zero is a price of one unit (multiply), below zero it was quoted the other way round (divide). TCURF
    -- says for how many units the rate is kept: 100 JPY, not one.
    SELECT
        VBRK.* EXCLUDE (_file, _row),
        company.WAERS AS company_currency,
        company.LAND1 AS company_country,
        CASE WHEN amount_factor.currency IS NULL THEN 1 ELSE amount_factor.factor END AS factor,
        CASE
            WHEN VBRK.WAERK = company.WAERS THEN 1
            WHEN KURRF > 0 THEN CAST(KURRF::DECIMAL(38, 6) * 1000000 AS HUGEINT) * coalesce(TFACT, 1)
            WHEN KURRF < 0 THEN 1000000::HUGEINT * coalesce(TFACT, 1)
        END AS multiplier,
        CASE
            WHEN VBRK.WAERK = company.WAERS THEN 1
            WHEN KURRF > 0 THEN 1000000::HUGEINT * coalesce(FFACT, 1)
            WHEN KURRF < 0 THEN CAST(-KURRF::DECIMAL(38, 6) * 1000000 AS HUGEINT) * coalesce(FFACT, 1)
        END AS divisor,
        VBRK.BUKRS = company.BUKRS AS is_own
    FROM VBRK
    CROSS JOIN company
    LEFT JOIN amount_factor ON amount_factor.currency = VBRK.WAERK
    LEFT JOIN ratio ON ratio.FCURR = VBRK.WAERK AND ratio.TCURR = company.WAERS
),
marked AS (
    SELECT DISTINCT VBELN FROM VBRP WHERE SHKZG IN ('X', 'B')
),
cancelled AS (
    SELECT
        VBRP.VBELN,
        VBRP.POSNR,
        bool_or(coalesce(VBRP.SHKZG IN ('X', 'B'), false)) AS is_return,
        bool_or(marked.VBELN IS NOT NULL) AS has_returns
    FROM VBRP
    SEMI JOIN VBRK ON VBRK.SFAKN = VBRP.VBELN
    LEFT JOIN marked ON marked.VBELN = VBRP.VBELN
    GROUP BY VBRP.VBELN, VBRP.POSNR
),
item AS (
    SELECT
        VBRP.* EXCLUDE (NETWR, WAVWR),
        header.* EXCLUDE (VBELN),
        category.document_type,
        CASE WHEN header.FKTYP = 'P' THEN 'down_payment_request' ELSE category.left_out END AS left_out,
        -- A cancellation mirrors the item it cancels, whatever its own mark.
        category.direction * CASE
            WHEN getvariable('returnItems') = 'signed' THEN 1
            WHEN header.VBTYP IN ('M', 'P', '5') AND VBRP.SHKZG IN ('X', 'B') THEN -1
            WHEN header.VBTYP = 'N' AND cancelled.is_return THEN -1
            WHEN header.VBTYP IN ('O', '6') AND marked.VBELN IS NOT NULL AND (VBRP.SHKZG IN ('X', 'B')) IS NOT TRUE THEN -1
            WHEN header.VBTYP = 'S' AND cancelled.has_returns AND NOT cancelled.is_return THEN -1
            ELSE 1
        END AS direction,
        NETWR::DECIMAL(38, 6) * header.factor AS net,
        nullif(WAVWR, 0)::DECIMAL(38, 6) * header.factor AS cost,               -- SAP writes 0 where no cost was found
        -- Whole millionths, so that the division is exact and rounds half away from zero, as SAP does; of what is divided.
        CASE WHEN header.WAERK <> header.company_currency THEN CAST(net * 1000000 AS HUGEINT) END AS net_millionths,
        CASE WHEN header.WAERK <> header.company_currency THEN CAST(cost * 1000000 AS HUGEINT) END AS cost_millionths
    FROM VBRP
    JOIN header ON header.VBELN = VBRP.VBELN
    LEFT JOIN marked ON marked.VBELN = VBRP.VBELN
    LEFT JOIN cancelled ON cancelled.VBELN = header.SFAKN AND cancelled.POSNR = VBRP.POSNR
    LEFT JOIN category ON category.VBTYP = header.VBTYP
)
SELECT
    VBELN AS document_id,
    POSNR AS line_id,
    document_type,
    FKDAT AS invoice_date,
    KUNAG AS customer_id,
    MATNR AS product_id,
    direction * FKIMG AS quantity,
    VRKME AS uom,
    direction * net AS net_amount,
    WAERK AS currency,
    CASE
        WHEN WAERK = company_currency THEN direction * in_four_decimals(net)
        ELSE direction * sign(net_millionths)
            * CAST((2 * abs(net_millionths) * multiplier + 100 * divisor) // (200 * divisor) AS DECIMAL(28, 0)) * 0.0001
    END AS net_amount_company,
    company_currency,
    CASE
        WHEN WAERK = company_currency THEN direction * in_four_decimals(cost)
        ELSE direction * sign(cost_millionths)
            * CAST((2 * abs(cost_millionths) * multiplier + 100 * divisor) // (200 * divisor) AS DECIMAL(28, 0)) * 0.0001
    END AS cost_amount_company,
    CASE WHEN cost IS NOT NULL THEN 'standard_at_sale' END AS cost_basis,
    coalesce(FKSTO, false) OR VBTYP IN ('N', 'S') AS is_cancelled,
    VBTYP IN ('5', '6') AS is_intercompany,
    coalesce(PSTYV = 'TANN', false) AS is_free_goods,
    CASE WHEN item.LAND1 <> company_country THEN 'export' ELSE channel.meaning END AS channel,
    CASE WHEN VGTYP IN ('M', 'P') AND VBTYP IN ('O', 'P') THEN VGBEL END AS references_document_id,
    SFAKN AS reverses_document_id,
    direction * FKLMG AS base_quantity,
    nullif(PERNR, '00000000') AS salesperson_id,
    item._file,
    item._row,
    CASE WHEN NOT is_own THEN 'other_company_code' ELSE left_out END AS _excluded
FROM item
LEFT JOIN CODES AS channel ON channel.field = 'VTWEG' AND channel.code = item.VTWEG
