-- The master as it stands, and a stub for every customer that other tables speak of but no master was delivered for.
WITH mentioned AS (
    SELECT company_code, customer_id FROM rated.customer_month
    UNION
    SELECT company_code, customer_id FROM rated.customer_value_history
    UNION
    SELECT company_code, customer_id FROM rated.credit_watch
    UNION
    SELECT company_code, customer_id FROM rated.conduct_finding
), sold_by AS (
    SELECT company_code, customer_id, arg_max(salesperson_id, (invoice_date, document_id, line_id)) AS salesperson_id
    FROM erp.invoice_lines
    WHERE salesperson_id IS NOT NULL AND NOT is_deleted AND NOT is_cancelled
    GROUP BY company_code, customer_id
)
SELECT company_code, customer_id, coalesce(master.name, customer_id) AS name, master.group_id, master.territory_id,
    master.industry_code, master.channel, master.credit_limit, master.credit_currency, master.payment_term_days,
    master.created_on, master.status, sold_by.salesperson_id, master.company_code IS NULL AS master_missing
FROM (SELECT * FROM erp.customers WHERE NOT is_deleted) AS master
FULL JOIN mentioned USING (company_code, customer_id)
LEFT JOIN sold_by USING (company_code, customer_id)
