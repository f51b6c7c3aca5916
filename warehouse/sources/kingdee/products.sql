-- Grain: one material (物料).
SELECT
    number AS product_id,
    name,
    "group" AS category,
    base_unit AS base_uom,
    CASE WHEN forbidden IN ('是', 'B') THEN 'discontinued' END AS lifecycle_stage,
    nullif(reference_cost, 0) AS standard_cost,
    _file,
    _row
FROM material
