-- Grain: one row a customer's right to a territory, for a product group, from a day on.
SELECT *
FROM territories
