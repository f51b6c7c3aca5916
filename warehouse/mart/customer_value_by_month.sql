FROM customer_value_history SEMI JOIN customer_period USING (company_code, customer_id, period, revision)
