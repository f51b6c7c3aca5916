-- Grain: one entry of a receivable document (应收单). Sales are the amount without tax (不含税金额); a red document (红字) carries
-- its minus already. Where net, tax and gross do not add up, nobody knows which of them is which: the net amount stays
-- empty, and the line is quarantined. What was approved once and is voided or unlocked again is kept as cancelled.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
),
entry AS (
    SELECT
        receivable.*,
        sum(gross_amount) OVER (PARTITION BY bill_no) AS document_total,
        net_amount + tax_amount = gross_amount AS adds_up,
        status IN ('已审核', 'C', '重新审核', 'D') AS was_approved,
        status IN ('重新审核', 'D') OR cancel_status IN ('是', '已作废', 'B') AS is_cancelled
    FROM receivable
)
SELECT
    entry.bill_no AS document_id,
    entry.entry_no AS line_id,
    CASE WHEN entry.document_total < 0 THEN 'credit_note' ELSE 'invoice' END AS document_type,
    entry.bill_date AS invoice_date,
    entry.customer AS customer_id,
    entry.material AS product_id,
    round(entry.quantity, 6) AS quantity,
    entry.unit AS uom,
    CASE WHEN entry.adds_up THEN entry.net_amount END AS net_amount,
    coalesce(document_currency.code, entry.currency) AS currency,
    CASE WHEN entry.adds_up THEN entry.net_amount_local END AS net_amount_company,
    coalesce(company_currency.code, entry.local_currency) AS company_currency,
    entry.cost AS cost_amount_company,
    CASE WHEN entry.cost IS NOT NULL THEN 'actual' END AS cost_basis,
    entry.is_cancelled,
    customer.own_organization IS NOT NULL AS is_intercompany,
    coalesce(entry.is_gift, false) AS is_free_goods,
    CASE WHEN customer.country NOT IN ('中国', '中华人民共和国') THEN 'export' END AS channel,
    entry.origin_no AS references_document_id,
    round(entry.base_quantity, 6) AS base_quantity,
    entry.salesperson AS salesperson_id,
    entry._file,
    entry._row,
    CASE
        WHEN NOT entry.was_approved THEN 'not_approved'
        WHEN entry.is_opening THEN 'opening_balance'
        WHEN entry.billed_as = '暂估应收' THEN 'estimated_receivable'          -- billed again when the invoice is known
    END AS _excluded
FROM entry
LEFT JOIN currency AS document_currency ON document_currency.name = entry.currency
LEFT JOIN currency AS company_currency ON company_currency.name = entry.local_currency
LEFT JOIN customer ON customer.number = entry.customer
