-- Grain: one item of a billing document. Type, currency, channel and cancellation stand in the header; an item whose
-- header is not in the batch cannot be typed, falls out of the join, and is quarantined as unmatched.
-- A cancelling document (S1) is left out: the invoice it cancels comes again, marked, and so counts no more.
-- An unknown document type passes as it is written, for the contract to refuse it by name.
SELECT
    line.document AS document_id,
    line.item AS line_id,
    CASE head.type
        WHEN 'F2' THEN 'invoice'
        WHEN 'IV' THEN 'invoice'
        WHEN 'G2' THEN 'credit_note'
        WHEN 'L2' THEN 'debit_note'
        WHEN 'S1' THEN 'credit_note'
        ELSE head.type
    END AS document_type,
    line.billed AS invoice_date,
    line.customer AS customer_id,
    line.product AS product_id,
    line.quantity,
    CASE line.unit WHEN 'ST' THEN 'PC' WHEN 'KAR' THEN 'CT' ELSE line.unit END AS uom,
    line.amount AS net_amount,
    head.currency,
    line.amount AS net_amount_company,
    head.currency AS company_currency,
    line.cost AS cost_amount_company,
    CASE WHEN line.cost IS NOT NULL THEN 'actual' END AS cost_basis,
    line.freight AS freight_amount,
    line.bonus AS rebate_amount,
    head.cancelled IS NOT NULL AS is_cancelled,
    head.type = 'IV' AS is_intercompany,
    line.item_category = 'TANN' AS is_free_goods,
    CASE head.channel WHEN '10' THEN 'direct' WHEN '20' THEN 'distribution' WHEN '30' THEN 'export' END AS channel,
    line.territory AS ship_to_territory,
    CASE WHEN head.type IN ('G2', 'L2') THEN head.preceding END AS references_document_id,
    line.base_quantity,
    line.salesperson AS salesperson_id,
    CASE WHEN head.type = 'S1' THEN 'cancelling_document' END AS _excluded,
    line._file,
    line._row
FROM VBRP AS line
JOIN VBRK AS head ON head.document = line.document
