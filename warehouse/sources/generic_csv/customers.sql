-- Grain: one row a customer of one company.
SELECT *
FROM customers
