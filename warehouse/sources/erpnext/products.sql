-- Grain: one item.
SELECT
    name AS product_id,
    item_name AS name,
    item_group AS category,
    stock_uom AS base_uom,
    CASE WHEN disabled THEN 'discontinued' END AS lifecycle_stage,
    nullif(valuation_rate, 0) AS standard_cost,
    _file,
    _row
FROM item
