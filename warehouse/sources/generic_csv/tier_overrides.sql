-- Grain: one row a person's decision on a customer's tier, from a day on.
SELECT *
FROM tier_overrides
