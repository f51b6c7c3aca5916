-- Grain: one item of the customer ledger, tax included, as the report of the month shows it. Amounts are in the
-- company's own currency.
SELECT
    item AS item_id,
    customer AS customer_id,
    invoice AS document_id,
    CASE type WHEN 'RV' THEN 'invoice' WHEN 'DG' THEN 'credit_note' WHEN 'DN' THEN 'debit_note' ELSE type END AS item_type,
    posted AS posting_date,
    due AS due_date,
    amount AS original_amount,
    currency,
    amount AS original_amount_company,
    currency AS company_currency,
    cleared AS cleared_date,
    disputed AS is_disputed,
    promised AS promised_on,
    _file,
    _row
FROM OPOS
