-- Grain: one item of the customer ledger: BSID holds the open ones, BSAD the cleared ones. Amounts carry no sign: SHKZG
-- says S (Soll, debit: owed to us) or H (Haben, credit). Noted items, such as a request for a down payment, are owed
-- nothing yet and are left out by name.
WITH company AS (SELECT (SELECT BUKRS FROM T001) AS BUKRS, (SELECT WAERS FROM T001) AS WAERS),
shift (decimals, factor) AS (
    VALUES (0, 100.000), (1, 10.000), (2, 1.000), (3, 0.100), (4, 0.010), (5, 0.001)
),
factor AS (
    -- Two decimals in the database, whatever the currency has: only then are amounts moved (see invoice_lines.sql).
    SELECT TCURX.CURRKEY AS currency, shift.factor
    FROM TCURX
    JOIN shift ON shift.decimals = TCURX.CURRDEC
    WHERE getvariable('amountBasis') = 'internal'
),
unmoved AS (
    -- What TCURX does not name has two decimals; without TCURX nobody knows.
    SELECT
        CASE
            WHEN getvariable('amountBasis') = 'internal' AND (SELECT count(*) FROM TCURX) = 0
                THEN error('amountBasis is internal, and the batch has no TCURX: deliver it, whole')
            ELSE 1.000
        END AS factor
),
item AS (
    SELECT
        BSID_BSAD.*,
        company.WAERS AS company_currency,
        WRBTR::DECIMAL(38, 6) * coalesce(own.factor, unmoved.factor) AS amount,
        DMBTR::DECIMAL(38, 6) * coalesce(local.factor, unmoved.factor) AS amount_company,
        CASE SHKZG WHEN 'S' THEN 1 WHEN 'H' THEN -1 END AS direction,
        BSID_BSAD.BUKRS = company.BUKRS AS is_own,
        -- The net term is the last one given: three terms with two discounts, or one without.
        coalesce(nullif(ZBD3T, 0), nullif(ZBD2T, 0), nullif(ZBD1T, 0), 0) AS net_days
    FROM BSID_BSAD
    CROSS JOIN company
    CROSS JOIN unmoved
    LEFT JOIN factor AS own ON own.currency = BSID_BSAD.WAERS
    LEFT JOIN factor AS local ON local.currency = company.WAERS
)
SELECT
    concat_ws('/', BELNR, GJAHR, BUZEI) AS item_id,
    KUNNR AS customer_id,
    VBELN AS document_id,
    CASE
        WHEN UMSKZ = 'A' OR (SHKZG = 'H' AND BLART = 'DZ') THEN 'payment_on_account'
        WHEN BLART IN ('RV', 'DR') AND SHKZG = 'S' THEN 'invoice'
        WHEN BLART IN ('RV', 'DR', 'DG') AND SHKZG = 'H' THEN 'credit_note'
        ELSE 'other'
    END AS item_type,
    BUDAT AS posting_date,
    -- A credit that names no invoice (REBZG) is due on its base date, whatever its terms say; V keeps the terms.
    CAST(coalesce(ZFBDT, BLDAT) + CASE WHEN SHKZG = 'H' AND REBZG IS NULL THEN 0 ELSE net_days END::INTEGER AS DATE) AS due_date,
    direction * amount AS original_amount,
    WAERS AS currency,
    direction * amount_company AS original_amount_company,
    company_currency,
    AUGDT AS cleared_date,
    _file,
    _row,
    CASE
        WHEN NOT is_own THEN 'other_company_code'
        WHEN BSTAT = 'S' THEN 'noted_item'
    END AS _excluded
FROM item
