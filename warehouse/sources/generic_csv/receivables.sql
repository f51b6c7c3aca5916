-- Grain: one row an item of the customer ledger, open or settled. In the company's own currency the two amounts are one.
SELECT * REPLACE (coalesce(original_amount_company, CASE WHEN currency = company_currency THEN original_amount END) AS original_amount_company)
FROM receivables
