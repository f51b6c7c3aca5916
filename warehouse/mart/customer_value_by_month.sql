-- By a left join, as customer_period.
SELECT history.*
FROM customer_value_history AS history
LEFT JOIN (
    SELECT company_code, customer_id, period, revision - 1 AS revision FROM customer_value_history WHERE revision > 1
) AS superseded USING (company_code, customer_id, period, revision)
WHERE superseded.revision IS NULL
