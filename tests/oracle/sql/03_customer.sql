-- Grain: one rated customer: who ordered by closed_through, or whose master was known by then.
-- n = calendar months from that of the first order to closed_through, at most 12 (DECISIONS 5); null: never ordered.
-- Reading of DECISIONS 5: the flag belongs to a tenure that starts at the first order, so a master that says since when
-- clears it.
CREATE OR REPLACE TABLE oracle.customer AS
WITH ordered AS (
    SELECT company_code, customer_id, min(order_on) AS first_order_on, max(order_on) AS last_order_on,
        datediff('month', min(order_on), getvariable('closed_through')) + 1 AS months_of_history
    FROM oracle.order_day
    WHERE order_on <= getvariable('closed_through')
    GROUP BY ALL
),
data_start AS (SELECT company_code, min(first_order_on) AS data_from FROM ordered GROUP BY ALL)
SELECT
    company_code, customer_id,
    master.name IS NULL AS master_missing,
    master.industry_code, master.channel, master.created_on,
    first_order_on, last_order_on,
    coalesce(months_of_history, 0) AS months_of_history,
    CASE WHEN months_of_history > 12 THEN 12 ELSE months_of_history END AS n,
    created_on IS NULL AND coalesce(first_order_on <= data_from + INTERVAL 1 MONTH, false) AS history_truncated
FROM ordered
FULL JOIN seen.customers AS master USING (company_code, customer_id)
LEFT JOIN data_start USING (company_code)
WHERE first_order_on IS NOT NULL OR master.known_on <= getvariable('closed_through');
