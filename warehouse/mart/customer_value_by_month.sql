-- The latest revision of every period: revisions are counted without gaps, so a row that has a next one is not it. By a left
-- join: where a reader's `OVER ()` stands above a semi or anti join, DuckDB 1.5 fails now and then.
SELECT history.*
FROM customer_value_history AS history
LEFT JOIN (
    SELECT company_code, customer_id, period, revision - 1 AS revision FROM customer_value_history WHERE revision > 1
) AS superseded USING (company_code, customer_id, period, revision)
WHERE superseded.revision IS NULL
