-- A customer without a limit is over none.
SELECT company_code, customer_id, customer.name, customer.salesperson_id, customer.territory_id,
    CAST(row_number() OVER (PARTITION BY company_code ORDER BY credit.exposure - credit.credit_limit DESC, customer_id)
        AS INTEGER) AS place,
    (credit.exposure - credit.credit_limit)::DECIMAL(38,4) AS over_by, credit.exposure, credit.credit_limit, utilisation,
    open_balance, open_orders, net_overdue, credit_grade, credit_action, action_reason
FROM credit_watch AS credit
JOIN customer USING (company_code, customer_id)
WHERE credit.exposure > credit.credit_limit
