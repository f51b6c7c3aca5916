-- The whale curve. Grain: one rated customer whose contribution is assessed, the largest first, by number where equal.
CREATE OR REPLACE TABLE oracle.value_curve AS
WITH placed AS (
    SELECT company_code, customer_id, contribution_12m,
        row_number() OVER down AS place,
        sum(contribution_12m) OVER down AS cumulative_contribution,
        count(*) OVER company AS customers,
        sum(contribution_12m) OVER company AS total,
        -- the curve starts at 0: where nobody adds anything, it peaks before the first customer
        coalesce(sum(contribution_12m) FILTER (contribution_12m > 0) OVER company, 0) AS peak,
        coalesce(count(*) FILTER (contribution_12m > 0) OVER company, 0) AS peak_place
    FROM oracle.contribution
    WHERE contribution_12m IS NOT NULL
    WINDOW down AS (PARTITION BY company_code ORDER BY contribution_12m DESC, customer_id ROWS UNBOUNDED PRECEDING),
           company AS (PARTITION BY company_code)
)
SELECT company_code, customer_id, contribution_12m, place, cumulative_contribution,
    date_trunc('month', getvariable('closed_through'))::DATE AS period,
    place / customers AS customer_share,
    CASE WHEN total > 0 THEN cumulative_contribution::DOUBLE / total::DOUBLE END AS cumulative_share,
    place = peak_place AS is_peak,
    CASE WHEN place > peak_place THEN peak - cumulative_contribution ELSE 0 END AS destroyed
FROM placed;
