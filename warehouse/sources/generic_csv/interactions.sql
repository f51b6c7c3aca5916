-- Grain: one row a contact with a customer.
SELECT *
FROM interactions
