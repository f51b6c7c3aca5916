-- Grain: one material (MARA). Its text in English, else in German, else in the first language by letter.
WITH description AS (
    SELECT MATNR, MAKTX
    FROM MAKT
    QUALIFY row_number() OVER (PARTITION BY MATNR ORDER BY SPRAS NOT IN ('E', 'EN'), SPRAS NOT IN ('D', 'DE'), SPRAS) = 1
),
stage AS (
    -- The distribution-chain status of the first chain, in the words of the company's own list.
    SELECT MVKE.MATNR, CODES.meaning AS lifecycle_stage, MVKE.VMSTD
    FROM MVKE
    LEFT JOIN CODES ON CODES.field = 'VMSTA' AND CODES.code = MVKE.VMSTA
    QUALIFY row_number() OVER (PARTITION BY MVKE.MATNR ORDER BY VKORG, VTWEG) = 1
)
SELECT
    MARA.MATNR AS product_id,
    coalesce(description.MAKTX, MARA.MATNR) AS name,
    MARA.MATKL AS category,
    MARA.MEINS AS base_uom,
    CASE WHEN MARA.LVORM THEN 'discontinued' ELSE stage.lifecycle_stage END AS lifecycle_stage,
    stage.VMSTD AS status_from,
    MARA._file,
    MARA._row
FROM MARA
LEFT JOIN description ON description.MATNR = MARA.MATNR
LEFT JOIN stage ON stage.MATNR = MARA.MATNR
