-- Grain: one invoice, settled as a whole on one day: it is open from its invoice date up to the day before.
SELECT
    invoice_number AS item_id,
    customer AS customer_id,
    invoice_number AS document_id,
    'invoice' AS item_type,
    invoice_date AS posting_date,
    due_date,
    amount AS original_amount,
    'USD' AS currency,
    amount AS original_amount_company,
    'USD' AS company_currency,
    settled_date AS cleared_date,
    disputed AS is_disputed,
    _file,
    _row
FROM ITEMS
