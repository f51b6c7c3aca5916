-- Grain: one row a payment received.
SELECT *
FROM payments
