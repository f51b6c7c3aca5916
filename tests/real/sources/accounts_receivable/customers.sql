-- Grain: one customer with at least one invoice; the set has no customer master. Each is seen in one country only.
SELECT
    customer AS customer_id,
    customer AS name,
    country AS territory_id,
    'active' AS status,
    arg_min(_file, (_file, _row)) AS _file,
    arg_min(_row, (_file, _row)) AS _row
FROM ITEMS
WHERE customer IS NOT NULL
GROUP BY customer, country
