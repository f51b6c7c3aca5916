-- The latest revision of each company's latest period, with the master data and the credit standing beside it.
SELECT rating.*, customer.name, customer.group_id, customer.territory_id, customer.industry_code, customer.channel,
    seen.is_value_customer, seen.is_loss_making, credit.open_balance, credit.overdue_share, credit.credit_grade, credit.credit_action
FROM (
    FROM rated.customer_value_history
    SEMI JOIN (
        SELECT company_code, max(period) AS period FROM rated.customer_value_history GROUP BY company_code
    ) USING (company_code, period)
    QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY revision DESC) = 1
) AS rating
JOIN publishing.main.customer USING (company_code, customer_id)
JOIN publishing.main.customer_period AS seen USING (company_code, customer_id, period)
LEFT JOIN rated.credit_watch AS credit USING (company_code, customer_id)
