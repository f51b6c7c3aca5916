-- Grain: one row a line of a billing document. In the company's own currency the two amounts are one.
SELECT * REPLACE (coalesce(net_amount_company, CASE WHEN currency = company_currency THEN net_amount END) AS net_amount_company)
FROM invoice_lines
