-- Grain: one customer with at least one line; the set has no customer master, so a customer is a bare code. Country and
-- channel stay on the lines: eight customers are seen in two countries, and which one a batch shows depends on its split.
SELECT
    regexp_replace(customer, '\.0$', '') AS customer_id,
    regexp_replace(customer, '\.0$', '') AS name,
    'active' AS status,
    arg_min(_file, (_file, _row)) AS _file,
    arg_min(_row, (_file, _row)) AS _row
FROM LINES
WHERE customer IS NOT NULL
GROUP BY 1
