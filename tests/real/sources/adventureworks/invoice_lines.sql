-- Grain: one line of Sales.csv. It has no line number, but no order holds one product twice: the product key names the
-- line within its order, and stays the same when a line is delivered again with another quantity or price.
SELECT
    sale.order_number AS document_id,
    sale.product AS line_id,
    'invoice' AS document_type,
    sale.order_date AS invoice_date,
    sale.reseller AS customer_id,
    sale.product AS product_id,
    sale.quantity,
    'EA' AS uom,
    sale.sales AS net_amount,
    'USD' AS currency,
    sale.sales AS net_amount_company,
    'USD' AS company_currency,
    sale.cost AS cost_amount_company,
    'actual' AS cost_basis,
    false AS is_cancelled,
    false AS is_intercompany,
    'distribution' AS channel,
    region.country AS ship_to_territory,
    sale.employee AS salesperson_id,
    sale._file,
    sale._row
FROM SALES AS sale
LEFT JOIN REGION AS region USING (territory)
