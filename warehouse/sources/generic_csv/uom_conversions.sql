-- Grain: one row a factor between two units of measure, of one product or of all.
SELECT *
FROM uom_conversions
