-- Grain: one rated customer. What it bought in its last months beside the same months a year before, and how long it is silent.
-- Three months; six for who began fewer occasions in the year before than it was a customer for months of it. Who has a season:
-- its months and their neighbours, in the year that ends with the last month that is neither.
CREATE OR REPLACE TABLE oracle.pace_span AS
WITH occasions AS (
    SELECT company_code, customer_id, count(*) AS occasions
    FROM oracle.occasion
    WHERE datediff('month', began_on, getvariable('closed_through')) BETWEEN 12 AND 23
    GROUP BY ALL
),
season AS (
    SELECT company_code, customer_id,
        list_distinct(flatten([[month, month % 12 + 1, (month + 10) % 12 + 1] FOR month IN months])) AS near
    FROM oracle.season
),
outside AS (
    SELECT company_code, customer_id, min(back) AS lag
    FROM season, range(12) AS past (back)
    WHERE NOT list_contains(near, month((getvariable('closed_through') - to_months(back::INTEGER))::DATE))
    GROUP BY ALL
)
SELECT company_code, customer_id, months_of_history, near, coalesce(lag, 0)::INTEGER AS lag,
    CASE WHEN near IS NOT NULL THEN 12
         WHEN coalesce(occasions, 0) < greatest(0, least(12, months_of_history - 12)) THEN getvariable('decline.months_of_rare')
         ELSE getvariable('decline.months') END::INTEGER AS span
FROM oracle.customer
LEFT JOIN occasions USING (company_code, customer_id)
LEFT JOIN season USING (company_code, customer_id)
LEFT JOIN outside USING (company_code, customer_id);

CREATE OR REPLACE TABLE oracle.pace AS
WITH aged AS (
    SELECT company_code, customer_id, net_sales, invoiced, span,
        datediff('month', month, getvariable('closed_through')) - lag AS age
    FROM oracle.customer_month
    JOIN oracle.pace_span USING (company_code, customer_id)
    WHERE near IS NULL OR list_contains(near, month(month))
),
booked AS (
    SELECT company_code, customer_id,
        coalesce(sum(net_sales) FILTER (age >= 0 AND age < span), 0) AS net_now,
        coalesce(sum(net_sales) FILTER (age >= 12 AND age < 12 + span), 0) AS net_then,
        coalesce(sum(invoiced) FILTER (age >= 0 AND age < span), 0) AS invoiced_now,
        coalesce(sum(invoiced) FILTER (age >= 12 AND age < 12 + span), 0) AS invoiced_then
    FROM aged
    GROUP BY ALL
),
product AS (
    SELECT company_code, customer_id, product_id,
        coalesce(sum(invoiced_quantity) FILTER (age < span), 0) AS quantity_now,
        coalesce(sum(invoiced_quantity) FILTER (age >= 12), 0) AS quantity_then,
        coalesce(sum(invoiced_net_sales) FILTER (age < span), 0) AS sold_now,
        coalesce(sum(invoiced_net_sales) FILTER (age >= 12), 0) AS sold_then
    FROM (SELECT *, datediff('month', month, getvariable('closed_through')) AS age FROM oracle.sales_cell)
    JOIN oracle.pace_span USING (company_code, customer_id)
    WHERE near IS NULL AND invoiced_quantity IS NOT NULL AND age >= 0 AND (age < span OR (age >= 12 AND age < 12 + span))
    GROUP BY ALL
),
effect AS (
    SELECT company_code, customer_id, sum(sold_now) AS sold_now, sum(sold_then) AS sold_then,
        sum(CASE WHEN quantity_then > 0
                 THEN from_units4(half_even((units6(quantity_now) - units6(quantity_then)) * units4(sold_then), units6(quantity_then)))
                 ELSE sold_now END) AS effect
    FROM product
    GROUP BY ALL
),
compared AS (
    SELECT company_code, customer_id, months_of_history >= lag + 12 + span AS is_covered, net_now, net_then, sold_then, effect,
        coalesce(sold_now > 0 AND sold_then > 0 AND sold_now * 5 >= invoiced_now * 4 AND sold_then * 5 >= invoiced_then * 4, false)
            AS in_quantity,
        CASE WHEN near IS NOT NULL THEN len(near) ELSE span END AS months
    FROM oracle.pace_span
    LEFT JOIN booked USING (company_code, customer_id)
    LEFT JOIN effect USING (company_code, customer_id)
),
paced AS (
    SELECT *, CASE WHEN NOT is_covered THEN NULL
                   WHEN in_quantity THEN (sold_then + effect)::DOUBLE / sold_then::DOUBLE
                   WHEN net_then > 0 THEN net_now::DOUBLE / net_then::DOUBLE END AS pace
    FROM compared
),
year_before AS (
    SELECT company_code, customer_id, sum(net_sales) AS net_sales
    FROM oracle.customer_month
    WHERE datediff('month', month, getvariable('closed_through')) BETWEEN 12 AND 23
    GROUP BY ALL
)
SELECT company_code, customer_id, pace AS pace_ratio,
    CASE WHEN pace IS NULL THEN NULL WHEN in_quantity THEN 'quantity' ELSE 'money' END AS pace_basis,
    CASE WHEN pace IS NOT NULL THEN months END::INTEGER AS pace_months,
    (getvariable('closed_through') - last_order_on)::INTEGER AS days_since_last_order,
    (getvariable('closed_through') - last_order_on) / usual_gap::DOUBLE AS gap_multiple,
    CASE WHEN first_order_on IS NOT NULL THEN coalesce(net_sales, 0) END::DECIMAL(38, 4) AS net_sales_12m_before
FROM paced
JOIN oracle.customer USING (company_code, customer_id)
LEFT JOIN oracle.rhythm USING (company_code, customer_id)
LEFT JOIN year_before USING (company_code, customer_id);

-- Grain: one rated customer. Its state follows from the period's figures and from how it stood in the period before.
CREATE OR REPLACE TABLE oracle.decline AS
WITH figure AS (
    SELECT company_code, customer_id, six(pace_ratio) AS pace, last_order_on, net_sales_12m, net_sales_12m_before,
        days_since_last_order AS days, usual_gap,
        -- the silence counts from so many days on
        CASE WHEN days_since_last_order >= getvariable('decline.gap_counts_from_days') THEN six(gap_multiple) END AS gaps,
        net_sales_12m_before > 0 AND net_sales_12m_before >= getvariable('credit.material_amount') AS is_material,
        months_of_history >= getvariable('decline.min_months') AND coalesce(status, '') <> 'inactive'
            AND (company_code, customer_id) NOT IN (SELECT (company_code, customer_id) FROM seen.heir) AS is_told,
        (company_code, customer_id) IN (SELECT (company_code, customer_id) FROM seen.open_orders WHERE amount > 0) AS is_ordered,
        coalesce(decline_state, 'none') AS state_before, decline_since AS since_before,
        coalesce(decline_low_periods, 0) AS low_before, coalesce(decline_calm_periods, 0) AS calm_before
    FROM oracle.pace
    JOIN oracle.customer USING (company_code, customer_id)
    LEFT JOIN oracle.volume USING (company_code, customer_id)
    LEFT JOIN oracle.rhythm USING (company_code, customer_id)
    LEFT JOIN seen.customers USING (company_code, customer_id)
    LEFT JOIN before.decline USING (company_code, customer_id)
),
run AS (
    SELECT *,
        state_before = 'lapsed' AND coalesce(last_order_on >= date_trunc('month', getvariable('closed_through')), false) AS is_back,
        CASE WHEN NOT is_back AND pace <= getvariable('decline.declining_ratio') THEN low_before + 1 ELSE 0 END AS low,
        CASE WHEN state_before <> 'none' AND coalesce(pace >= getvariable('decline.clear_ratio'), true)
                 AND coalesce(gaps <= getvariable('decline.clear_gaps'), true) THEN calm_before + 1 ELSE 0 END AS calm
    FROM figure
),
seen_now AS (
    SELECT *,
        CASE WHEN NOT is_ordered AND (gaps > getvariable('decline.lapsed_gaps')
                     OR (gaps IS NOT NULL AND days > usual_gap + getvariable('decline.lapsed_days'))) THEN 3
             WHEN low >= getvariable('decline.declining_periods') OR gaps > getvariable('decline.declining_gaps') THEN 2
             WHEN pace <= getvariable('decline.slowing_ratio') OR gaps > getvariable('decline.slowing_gaps') THEN 1
             ELSE 0 END AS now,
        list_position(['none', 'slowing', 'declining', 'lapsed'], state_before) - 1 AS before
    FROM run
),
settled AS (
    SELECT *,
        CASE WHEN is_back THEN 0
             WHEN before = 3 THEN CASE WHEN is_ordered THEN now ELSE 3 END
             WHEN now > before AND (before > 0 OR is_material) THEN now
             WHEN calm >= getvariable('decline.clear_periods') THEN 0
             ELSE before END AS after
    FROM seen_now
),
aged AS (
    SELECT company_code, customer_id, net_sales, month, datediff('month', month, getvariable('closed_through')) AS age
    FROM oracle.customer_month
    WHERE month <= getvariable('closed_through')
),
year AS (
    SELECT company_code, customer_id, max(net_sales) AS best
    FROM (SELECT company_code, customer_id, ends, sum(CASE WHEN age BETWEEN ends AND ends + 11 THEN net_sales ELSE 0 END) AS net_sales
          FROM aged, range(24) AS year (ends) GROUP BY ALL)
    GROUP BY ALL
),
to_last_order AS (
    SELECT company_code, customer_id, sum(net_sales) AS net_sales
    FROM aged
    JOIN oracle.customer USING (company_code, customer_id)
    WHERE datediff('month', month, last_order_on) BETWEEN 0 AND 11
    GROUP BY ALL
)
SELECT company_code, customer_id,
    CASE WHEN is_told THEN ['none', 'slowing', 'declining', 'lapsed'][after + 1] END AS decline_state,
    CASE WHEN is_told AND after > 0 THEN
        CASE WHEN after = before THEN coalesce(since_before, date_trunc('month', getvariable('closed_through')))
             ELSE date_trunc('month', getvariable('closed_through')) END END::DATE AS decline_since,
    CASE WHEN is_told THEN low END::INTEGER AS decline_low_periods,
    CASE WHEN is_told THEN CASE WHEN after = 0 THEN 0 ELSE calm END END::INTEGER AS decline_calm_periods,
    CASE WHEN is_told AND after > 0 THEN
        CASE WHEN after < 3 THEN greatest(coalesce(best - coalesce(net_sales_12m, 0), 0), 0)
             WHEN datediff('month', last_order_on, getvariable('closed_through')) <= getvariable('decline.listed_months')
                 THEN greatest(coalesce(to_last_order.net_sales, 0), 0) END END::DECIMAL(38, 4) AS decline_stake,
    CASE WHEN is_told THEN after = 0 AND coalesce(is_material, false) AND coalesce(pace >= getvariable('decline.growing_ratio'), false)
        END AS is_growing
FROM settled
LEFT JOIN year USING (company_code, customer_id)
LEFT JOIN to_last_order USING (company_code, customer_id);
