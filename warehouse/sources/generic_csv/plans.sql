-- Grain: one row a plan, version, level, member of the level and span of months.
SELECT *
FROM plans
