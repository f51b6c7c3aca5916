-- Grain: one month in which an occasion begins and something was sold. An occasion counts with all its orders
-- in the month of its first day: what was billed later is sold in that month here.
CREATE OR REPLACE TABLE oracle.active_month AS
WITH of_occasion AS (
    SELECT company_code, customer_id, billed_on, net_sales,
        (SELECT max(began_on) FROM oracle.occasion AS occasion
         WHERE occasion.company_code = ordered.company_code AND occasion.customer_id = ordered.customer_id
             AND occasion.began_on <= ordered.order_on) AS began_on
    FROM oracle.ordered
),
sold AS (
    SELECT company_code, customer_id, month, net_sales FROM oracle.customer_month
    UNION ALL
    SELECT company_code, customer_id, date_trunc('month', began_on)::DATE, net_sales FROM of_occasion
    UNION ALL
    SELECT company_code, customer_id, date_trunc('month', billed_on)::DATE, -net_sales FROM of_occasion
)
SELECT company_code, customer_id, month, datediff('month', month, getvariable('closed_through')) AS age
FROM sold
WHERE month <= getvariable('closed_through')
    AND (company_code, customer_id, month) IN (
        SELECT (company_code, customer_id, date_trunc('month', began_on)::DATE) FROM oracle.occasion)
GROUP BY ALL
HAVING sum(net_sales) > 0;

-- Grain: one customer with a season: at most 8 calendar months, each with an order in two of the last three
-- years, so that 80 % of the order months of these years are among them or next to one; and the months come back more often
-- than if each year's lay anywhere: the agreement beyond chance (came back − expected) / (all − expected) is above 0.6.
CREATE OR REPLACE TABLE oracle.season AS
WITH recent AS (
    SELECT company_code, customer_id, month(month) AS calendar, age // 12 AS year
    FROM oracle.active_month
    JOIN oracle.customer USING (company_code, customer_id)
    WHERE age < 36 AND months_of_history >= 24
),
candidate AS (
    SELECT company_code, customer_id, list(calendar ORDER BY calendar) AS months
    FROM (SELECT company_code, customer_id, calendar FROM recent GROUP BY ALL HAVING count(DISTINCT year) >= 2)
    GROUP BY ALL
    HAVING count(*) <= 8
),
ordered AS (
    SELECT company_code, customer_id, count(DISTINCT calendar) FILTER (year = 0) AS a,
        count(DISTINCT calendar) FILTER (year = 1) AS b, count(DISTINCT calendar) FILTER (year = 2) AS c
    FROM recent GROUP BY ALL
),
chance AS ( -- how many order months another year would have by chance, in 144ths
    SELECT company_code, customer_id, a * (144 - (12 - b) * (12 - c)) + b * (144 - (12 - a) * (12 - c))
        + c * (144 - (12 - a) * (12 - b)) AS expected
    FROM ordered
)
SELECT company_code, customer_id, any_value(months) AS months,
    list(calendar ORDER BY calendar) FILTER (year = 0) AS ordered_in
FROM recent
JOIN candidate USING (company_code, customer_id)
JOIN chance USING (company_code, customer_id)
GROUP BY ALL
HAVING count(*) FILTER (
    list_has_any(months, [calendar, calendar % 12 + 1, (calendar + 10) % 12 + 1])) * 5 >= count(*) * 4
    AND 5 * (144 * count(*) FILTER (list_contains(months, calendar)) - any_value(expected))
        > 3 * (144 * count(*) - any_value(expected));

-- Grain: one customer with a season. Every way to give the order months of the window to months of the season, each to one,
-- itself or a neighbour; the way that serves most.
CREATE OR REPLACE TABLE oracle.served AS
WITH RECURSIVE way AS (
    SELECT company_code, customer_id, months, coalesce(ordered_in, []) AS still_free, 1 AS place, 0 AS served
    FROM oracle.season
    UNION
    SELECT company_code, customer_id, months,
        CASE WHEN given IS NULL THEN still_free ELSE list_filter(still_free, lambda month: month <> given) END,
        place + 1, served + CASE WHEN given IS NULL THEN 0 ELSE 1 END
    FROM (
        SELECT *, unnest([NULL, months[place], months[place] % 12 + 1, (months[place] + 10) % 12 + 1]) AS given
        FROM way
        WHERE place <= len(months)
    )
    WHERE given IS NULL OR list_contains(still_free, given)
)
SELECT company_code, customer_id, any_value(len(months)) AS season_months, max(served) AS served_months
FROM way
GROUP BY ALL;

-- Grain: one customer with two occasions or more. The usual gap: the median, in a season the longest that followed an
-- occasion of the calendar month of the last one or a neighbour (the median where none did); at least 10 days.
CREATE OR REPLACE TABLE oracle.rhythm AS
WITH gap AS (
    SELECT company_code, customer_id, began_on,
        lead(began_on) OVER one_customer - began_on AS days,
        last_value(began_on) OVER (one_customer ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS last_began_on
    FROM oracle.occasion
    WINDOW one_customer AS (PARTITION BY company_code, customer_id ORDER BY began_on)
)
SELECT company_code, customer_id,
    greatest(coalesce(
        CASE WHEN any_value(season.months) IS NOT NULL THEN
            max(days) FILTER ((month(began_on) - month(last_began_on) + 12) % 12 IN (0, 1, 11)) END,
        median(days)), 10) AS usual_gap
FROM gap
LEFT JOIN oracle.season AS season USING (company_code, customer_id)
WHERE days IS NOT NULL
GROUP BY ALL;

-- Grain: one rated customer. Parts that cannot be assessed are null and weigh nothing; each lies in [0, 1].
CREATE OR REPLACE TABLE oracle.loyalty AS
WITH active AS (
    SELECT company_code, customer_id, count(*) AS active_months
    FROM oracle.active_month
    JOIN oracle.customer USING (company_code, customer_id)
    WHERE age < 12 AND month >= date_trunc('month', first_order_on)
    GROUP BY ALL
),
part AS (
    SELECT company_code, customer_id, n, months_of_history, season_months, usual_gap,
        CASE WHEN season_months IS NOT NULL THEN served_months / season_months
             WHEN n IS NOT NULL THEN coalesce(active_months, 0) / n END AS active_month_ratio,
        -- a master opened after the month gives no tenure yet
        CASE WHEN coalesce(created_on, first_order_on) > getvariable('closed_through') THEN 0
             ELSE (getvariable('closed_through') - coalesce(created_on, first_order_on)) / 365.25::DOUBLE END AS tenure_years,
        (getvariable('closed_through') - last_order_on) / usual_gap AS gaps_since,
        CASE WHEN estimated_demand_12m > 0 THEN net_sales_12m::DOUBLE / estimated_demand_12m::DOUBLE END AS wallet
    FROM oracle.customer
    JOIN oracle.volume USING (company_code, customer_id)
    LEFT JOIN oracle.demand USING (company_code, customer_id)
    LEFT JOIN active USING (company_code, customer_id)
    LEFT JOIN oracle.served USING (company_code, customer_id)
    LEFT JOIN oracle.rhythm USING (company_code, customer_id)
),
scaled AS (
    SELECT company_code, customer_id, n, active_month_ratio, tenure_years, season_months, usual_gap,
        CASE WHEN n IS NULL THEN NULL WHEN season_months IS NOT NULL THEN 'season' WHEN months_of_history < 24 THEN 'too_young'
             ELSE 'calendar' END AS loyalty_basis,
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
    loyalty_basis, season_months, usual_gap AS usual_gap_days,
    CASE WHEN n IS NULL THEN 'no_orders' END AS loyalty_reason
FROM scaled
LEFT JOIN weighed USING (company_code, customer_id);
