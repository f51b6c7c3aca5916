-- Grain: one line of a sales invoice. Sales are the amount without tax (无税金额); a red invoice (红字) carries its minus already.
-- Where net, tax and gross do not add up, nobody knows which of them is which: the net amount stays empty, and the line is
-- quarantined. Invoice numbers run by invoice type, so the type leads the document's number.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
),
invoice_type (name, code) AS (
    VALUES ('销售专用发票', '26'), ('专用发票', '26'), ('销售普通发票', '27'), ('普通发票', '27'), ('销售调拨单', '28'), ('零售日报', '29')
),
line AS (
    SELECT
        sale_bill.*,
        coalesce(invoice_type.code, sale_bill.bill_type) || '-' || sale_bill.bill_no AS document_id,
        -- A number alone is of the same type, as a red invoice and the blue one it takes back are.
        CASE WHEN contains(sale_bill.origin_no, '-') THEN sale_bill.origin_no
             ELSE coalesce(invoice_type.code, sale_bill.bill_type) || '-' || sale_bill.origin_no END AS origin_id,
        sum(sale_bill.gross_amount) OVER (PARTITION BY sale_bill.bill_type, sale_bill.bill_no) AS document_total,
        sale_bill.net_amount + sale_bill.tax_amount = sale_bill.gross_amount AS adds_up
    FROM sale_bill
    LEFT JOIN invoice_type ON invoice_type.name = sale_bill.bill_type
)
SELECT
    line.document_id,
    line.line_no AS line_id,
    CASE WHEN line.document_total < 0 THEN 'credit_note' ELSE 'invoice' END AS document_type,
    line.bill_date AS invoice_date,
    line.customer AS customer_id,
    line.product AS product_id,
    coalesce(line.quantity, 0) AS quantity,                    -- a discount or a fee is a line without goods
    line.unit AS uom,
    CASE WHEN line.adds_up THEN line.net_amount END AS net_amount,
    coalesce(currency.code, line.currency) AS currency,
    CASE WHEN line.adds_up THEN line.net_amount_local END AS net_amount_company,
    'CNY' AS company_currency,
    line.cost AS cost_amount_company,
    CASE WHEN line.cost IS NOT NULL THEN 'actual' END AS cost_basis,
    line.invalidated_by IS NOT NULL AS is_cancelled,
    line.net_amount = 0 AND line.quantity <> 0 AS is_free_goods,
    CASE WHEN customer.is_overseas THEN 'export' END AS channel,
    line.origin_id AS references_document_id,
    coalesce(line.quantity, 0) AS base_quantity,               -- U8 counts in the main unit; pieces of an auxiliary one apart
    line.salesperson AS salesperson_id,
    line._file,
    line._row,
    CASE
        WHEN line.checker IS NULL AND line.invalidated_by IS NULL THEN 'not_reviewed'
        WHEN line.is_opening THEN 'opening_balance'
    END AS _excluded
FROM line
LEFT JOIN currency ON currency.name = line.currency
LEFT JOIN customer ON customer.code = line.customer
