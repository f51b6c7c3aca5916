-- Grain: one material (物料).
SELECT
    number AS product_id,
    name,
    "group" AS category,
    base_unit AS base_uom,
    CASE WHEN forbidden IN ('是', 'B') THEN 'discontinued' END AS lifecycle_stage,
    nullif(reference_cost, 0) AS standard_cost,
    _file,
    _row,
    CASE WHEN number IN ('合计', '小计', '总计', '本页合计') THEN 'totals_row' END AS _excluded
FROM material
