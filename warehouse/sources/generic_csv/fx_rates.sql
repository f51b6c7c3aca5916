-- Grain: one row a rate between two currencies on a day.
SELECT *
FROM fx_rates
