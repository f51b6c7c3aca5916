SELECT history.*
FROM customer_value_history AS history
JOIN customer_period USING (company_code, customer_id, period, revision)
