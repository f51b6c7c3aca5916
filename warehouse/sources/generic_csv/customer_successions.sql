-- Grain: one row an old number, its successor, and the day from which it continues.
SELECT *
FROM customer_successions
