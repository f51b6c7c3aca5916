-- Grain: one row a product of one company.
SELECT *
FROM products
