-- Grain: one row an application of a payment to an item on a day.
SELECT *
FROM payment_allocations
