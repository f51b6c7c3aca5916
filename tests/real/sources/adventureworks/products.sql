-- Grain: one product version: the same article has a key of its own for each period of its standard cost.
SELECT
    product AS product_id,
    name,
    category,
    'EA' AS base_uom,
    standard_cost,
    _file,
    _row
FROM PRODUCT
