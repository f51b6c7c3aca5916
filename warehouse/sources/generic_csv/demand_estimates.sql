-- Grain: one row an estimate of a customer's demand for a product group from a day on, and version.
SELECT *
FROM demand_estimates
