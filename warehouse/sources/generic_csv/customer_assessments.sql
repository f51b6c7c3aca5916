-- Grain: one row an assessment of a customer on a day.
SELECT *
FROM customer_assessments
