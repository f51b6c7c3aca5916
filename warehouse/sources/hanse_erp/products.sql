-- Grain: one product; its standard cost is that of one piece.
SELECT
    product AS product_id,
    name,
    category,
    CASE unit WHEN 'ST' THEN 'PC' ELSE unit END AS base_uom,
    CASE stage
        WHEN '10' THEN 'introduction'
        WHEN '20' THEN 'growth'
        WHEN '30' THEN 'maturity'
        WHEN '40' THEN 'decline'
        WHEN '50' THEN 'discontinued'
    END AS lifecycle_stage,
    stage_from AS status_from,
    standard_cost,
    CAST(changed AS TIMESTAMP) AS source_changed_at,
    _file,
    _row
FROM MARA
