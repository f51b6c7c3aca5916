-- Grain: one row an action.
SELECT *
FROM actions
