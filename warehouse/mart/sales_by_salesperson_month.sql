-- The closed months of two years, up to the latest rated one.
SELECT company_code, salesperson_id, customer_id, month, net_sales
FROM rated.salesperson_month
JOIN (SELECT company_code, max(period) AS latest FROM rated.customer_value_history GROUP BY company_code) USING (company_code)
WHERE month > latest - INTERVAL 24 MONTHS AND month <= latest
