-- DOMAIN 2.4. Grain: one rated customer. Parts that cannot be assessed are null and weigh nothing; each lies in [0, 1].
CREATE OR REPLACE TABLE oracle.loyalty AS
WITH active AS (
    SELECT company_code, customer_id, count(DISTINCT complete.month) AS active_months
    FROM oracle.order_day
    JOIN oracle.complete_month AS complete ON complete.month = date_trunc('month', order_on)::DATE
    WHERE age < 12
    GROUP BY ALL
),
gap AS (
    SELECT company_code, customer_id,
        order_on - lag(order_on) OVER (PARTITION BY company_code, customer_id ORDER BY order_on) AS days
    FROM oracle.order_day
    WHERE order_on <= getvariable('closed_through')
),
rhythm AS (SELECT company_code, customer_id, median(days) AS median_gap FROM gap WHERE days IS NOT NULL GROUP BY ALL),
part AS (
    SELECT company_code, customer_id, n,
        CASE WHEN n IS NOT NULL THEN coalesce(active_months, 0) / n END AS active_month_ratio,
        -- a master opened after the month gives no tenure yet
        CASE WHEN coalesce(created_on, first_order_on) > getvariable('closed_through') THEN 0
             ELSE (getvariable('closed_through') - coalesce(created_on, first_order_on)) / 365.25::DOUBLE END AS tenure_years,
        (getvariable('closed_through') - last_order_on) / median_gap AS gaps_since,
        CASE WHEN estimated_demand_12m > 0 THEN net_sales_12m::DOUBLE / estimated_demand_12m::DOUBLE END AS wallet
    FROM oracle.customer
    JOIN oracle.volume USING (company_code, customer_id)
    LEFT JOIN oracle.demand USING (company_code, customer_id)
    LEFT JOIN active USING (company_code, customer_id)
    LEFT JOIN rhythm USING (company_code, customer_id)
),
scaled AS (
    SELECT company_code, customer_id, n, active_month_ratio, tenure_years,
        CASE WHEN tenure_years >= getvariable('loyalty.tenure_full_years') THEN 1
             ELSE tenure_years / getvariable('loyalty.tenure_full_years')::DOUBLE END AS tenure_part,
        CASE WHEN gaps_since <= getvariable('loyalty.timely_until') THEN 1
             WHEN gaps_since >= getvariable('loyalty.lost_from') THEN 0
             ELSE (getvariable('loyalty.lost_from')::DOUBLE - gaps_since)
                  / (getvariable('loyalty.lost_from') - getvariable('loyalty.timely_until'))::DOUBLE END AS repurchase_timeliness,
        CASE WHEN wallet > 1 THEN 1 WHEN wallet < 0 THEN 0 ELSE wallet END AS share_of_wallet
    FROM part
),
weighed AS (
    SELECT company_code, customer_id, sum(weight * part) / sum(weight) AS loyalty
    FROM (SELECT company_code, customer_id, unnest([
            {'weight': getvariable('loyalty.weights.active_months')::DOUBLE, 'part': active_month_ratio::DOUBLE},
            {'weight': getvariable('loyalty.weights.tenure')::DOUBLE, 'part': tenure_part::DOUBLE},
            {'weight': getvariable('loyalty.weights.timeliness')::DOUBLE, 'part': repurchase_timeliness::DOUBLE},
            {'weight': getvariable('loyalty.weights.share_of_wallet')::DOUBLE, 'part': share_of_wallet::DOUBLE}], recursive := true)
          FROM scaled
          WHERE n IS NOT NULL)
    WHERE part IS NOT NULL
    GROUP BY ALL
)
SELECT company_code, customer_id, loyalty, active_month_ratio, tenure_years, repurchase_timeliness, share_of_wallet,
    CASE WHEN n IS NULL THEN 'no_orders' END AS loyalty_reason
FROM scaled
LEFT JOIN weighed USING (company_code, customer_id);
