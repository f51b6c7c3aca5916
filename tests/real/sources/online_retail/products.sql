-- Grain: one stock code as written; 112 codes also occur in another case, and stay apart, as the shop keeps them apart.
-- The name is the commonest description (clerks also keyed remarks such as "damages"), the first by letter among equals.
WITH description AS (
    SELECT stock_code, description, count(*) AS lines, min((_file, _row)) AS seen
    FROM LINES
    WHERE stock_code IS NOT NULL
    GROUP BY ALL
)
SELECT
    stock_code AS product_id,
    coalesce(first(description ORDER BY description IS NULL, lines DESC, description), stock_code) AS name,
    -- postage, carriage, fees, discounts, bad debt and what was keyed by hand, as the shop codes them
    CASE
        WHEN upper(stock_code) IN ('POST', 'DOT', 'C2', 'AMAZONFEE', 'BANK CHARGES', 'CRUK', 'B', 'D', 'M', 'S') THEN 'charge'
        ELSE 'merchandise'
    END AS category,
    'EA' AS base_uom,
    min(seen)[1] AS _file,
    min(seen)[2] AS _row
FROM description
GROUP BY stock_code
