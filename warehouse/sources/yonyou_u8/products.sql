-- Grain: one inventory item (存货).
SELECT
    code AS product_id,
    name,
    class AS category,
    unit AS base_uom,
    CASE WHEN ended_on IS NOT NULL THEN 'discontinued' END AS lifecycle_stage,
    ended_on AS status_from,
    nullif(reference_cost, 0) AS standard_cost,
    _file,
    _row
FROM inventory
