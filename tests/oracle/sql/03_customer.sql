-- Grain: one rated customer: who was billed anything by closed_through, or whose master was known by then, or who is succeeded.
-- Where all orders were credited, the first of them is the first order, and there is no last one.
-- n = calendar months from that of the first order to closed_through, at most 12; null: never ordered.
-- Reading: the flag belongs to a tenure that starts at the first order, so a master that says since when
-- clears it.
CREATE OR REPLACE TABLE oracle.customer AS
WITH ordered AS (
    SELECT company_code, customer_id, coalesce(min(standing.order_on), min(day.order_on)) AS first_order_on,
        max(standing.order_on) AS last_order_on,
        datediff('month', coalesce(min(standing.order_on), min(day.order_on)), getvariable('closed_through')) + 1
            AS months_of_history
    FROM oracle.order_day AS day
    LEFT JOIN oracle.ordered AS standing USING (company_code, customer_id)
    WHERE day.order_on <= getvariable('closed_through')
    GROUP BY ALL
),
billed AS (
    SELECT DISTINCT company_code, customer_id FROM oracle.customer_month WHERE month <= getvariable('closed_through')
    UNION
    SELECT company_code, customer_id FROM seen.heir  -- no customer any more, and shown as what it is
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
FROM billed
LEFT JOIN ordered USING (company_code, customer_id)
FULL JOIN seen.customers AS master USING (company_code, customer_id)
LEFT JOIN data_start USING (company_code)
WHERE billed.customer_id IS NOT NULL OR master.available_on <= getvariable('closed_through');
