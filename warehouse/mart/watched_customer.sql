WITH conduct AS (
    SELECT company_code, customer_id, bool_or(confidence = 'confirmed') AS is_confirmed
    FROM conduct_finding
    WHERE confidence IN ('confirmed', 'suspected')
    GROUP BY ALL
)
SELECT company_code, customer_id, CAST(row_number() OVER (
    ORDER BY effective_tier = 'strategic' DESC,
        coalesce(credit_action = 'stop', false) OR coalesce(is_confirmed, false) DESC,
        net_sales_12m DESC NULLS LAST, company_code, customer_id
) AS INTEGER) AS place
FROM customer_value LEFT JOIN conduct USING (company_code, customer_id)
WHERE effective_tier = 'strategic' OR watch_tier IS NOT NULL OR credit_action IN ('prepay', 'stop')
    OR is_confirmed IS NOT NULL
