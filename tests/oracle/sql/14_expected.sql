-- Expected business. One forecast is made of what is known now, for 12 months; two more of what was known some months ago, for as
-- many months as have passed since, to see how far forecasts miss. p_alive is fitted, which SQL does not: where the product says
-- that it went by it, its share is taken as given, and so are the bounds of that company and, where it has a level, its figures.
CREATE OR REPLACE MACRO this_month() AS date_trunc('month', getvariable('closed_through'))::DATE;

CREATE OR REPLACE TABLE oracle.forecast_origin AS
WITH reach AS (
    SELECT company_code, max(datediff('month', month, this_month())) + 1 AS months
    FROM oracle.customer_month WHERE month <= this_month() GROUP BY ALL
),
longest AS (SELECT company_code, months, least(12, least(months, 36) // 2) AS ago FROM reach),
origin AS (
    SELECT company_code, months, 0 AS ago, 12 AS ahead FROM longest
    UNION
    SELECT company_code, months, unnest([ago, (ago + 1) // 2]) AS ago, unnest([ago, (ago + 1) // 2]) AS ahead FROM longest
)
SELECT company_code, ago, ahead, (this_month() - to_months(ago))::DATE AS period,
    least(36, months - ago) AS data_months, least(12, months - ago) AS span, (least(12, months - ago) + 1) // 2 AS later
FROM origin WHERE ago <> 1 AND (ago > 0 OR ahead = 12);

CREATE OR REPLACE TABLE oracle.forecast AS
WITH known AS (
    SELECT origin.*, customer_id, datediff('month', month, period) AS age, units4(net_sales) AS net, units4(contribution) AS gain,
        units4(net_sales) - units4(price_credits) AS sale, -units4(price_credits) AS credit
    FROM oracle.customer_month AS months JOIN oracle.forecast_origin AS origin USING (company_code)
    WHERE month <= period AND datediff('month', month, period) < 36
),
-- What a customer has bought up to now since the end of a month, at its highest: returns take from what was bought before them.
back AS (
    SELECT *, sum(sale) OVER (PARTITION BY company_code, ago, customer_id ORDER BY age) AS so_far FROM known
),
highest AS (
    SELECT *, greatest(max(so_far) OVER (PARTITION BY company_code, ago, customer_id ORDER BY age), 0) AS highest FROM back
),
set_off AS (
    SELECT *, highest - coalesce(lag(highest) OVER (PARTITION BY company_code, ago, customer_id ORDER BY age), 0) AS remains
    FROM highest
),
ranked AS (
    SELECT company_code, ago, customer_id, coalesce(list_reverse_sort(list(remains))[2], 0) AS second,
        greatest(coalesce(list_reverse_sort(list(credit))[2], 0), 0) AS second_credit, count(*) FILTER (remains > 0) AS bought
    FROM set_off GROUP BY ALL
),
peer AS (
    SELECT company_code, ago, list_sort(list(second))[(count(*) * 80 + 99) // 100] AS of_peers FROM ranked WHERE bought > 1 GROUP BY ALL
),
usual AS (
    SELECT ranked.*, 3 * second_credit AS most_credit,
        CASE WHEN bought >= 3 THEN 3 * second WHEN of_peers IS NOT NULL THEN 3 * greatest(second, of_peers) END AS most
    FROM ranked LEFT JOIN peer USING (company_code, ago)
),
parted AS (
    SELECT set_off.*, least(remains, most) AS kept, least(credit, most_credit) AS kept_credit, gain + credit AS goods_gain
    FROM set_off JOIN usual USING (company_code, ago, customer_id)
),
gained AS (
    SELECT *, kept - kept_credit AS even, remains - credit - (kept - kept_credit) AS extra,
        CASE WHEN sale > 0 THEN half_even(goods_gain * remains, sale) WHEN sale = 0 THEN goods_gain ELSE goods_gain * 0 END AS remains_gain,
        CASE WHEN sale > 0 THEN half_even(goods_gain * kept, sale) WHEN sale = 0 THEN goods_gain ELSE goods_gain * 0 END AS kept_gain
    FROM parted
),
own AS (
    SELECT company_code, ago, customer_id, any_value(ahead) AS ahead, any_value(data_months) AS data_months,
        any_value(span) AS span, any_value(later) AS later,
        coalesce(sum(even) FILTER (age < span), 0) AS sold, coalesce(sum(even) FILTER (age < later), 0) AS sold_later,
        coalesce(sum(gain) FILTER (age < span), 0) AS borne,
        coalesce(sum(kept_gain - kept_credit) FILTER (age < span), 0) AS gained,
        coalesce(sum(kept_gain - kept_credit) FILTER (age < later), 0) AS gained_later,
        sum(extra) AS extra, coalesce(sum(remains_gain - credit - (kept_gain - kept_credit)), 0) AS extra_gain,
        coalesce(sum(even) FILTER (age < 24), 0) AS two_years,
        coalesce(sum(even) FILTER (age BETWEEN 0 AND 5 OR age BETWEEN 12 AND 17), 0) AS two_halves,
        coalesce(sum(even) FILTER (age BETWEEN 12 - ahead AND 11 OR age BETWEEN 24 - ahead AND 23), 0) AS twice_ahead,
        max(age) FILTER (net > 0) AS first, min(age) FILTER (net > 0) AS last,
        count(*) FILTER (net > 0) AS times, count(*) FILTER (net > 0 AND age < span) AS times_lately
    FROM gained GROUP BY ALL
),
aged AS (SELECT *, least(first + 1, span) AS tenure FROM own WHERE first IS NOT NULL),
buyers AS (
    SELECT *, tenure < span AS is_young, count(*) FILTER (tenure < span) OVER (PARTITION BY company_code, ago) AS young
    FROM aged WHERE times_lately > 0
),
peers AS (
    SELECT company_code, ago, half_even(sum(tenure - 1)::HUGEINT * 1000, sum(times_lately - 1)::HUGEINT) AS rhythm
    FROM buyers WHERE is_young OR young < 30 GROUP BY ALL
),
shared AS (
    SELECT aged.*, product.expected_basis = 'still_buys' AS is_given,
        coalesce(loyalty_basis = 'season', false) AND data_months >= 24 AS has_season,
        least(coalesce(tenure * 1000 + rhythm, span * 1000), span * 1000)::HUGEINT AS over_span,
        least(coalesce(least(tenure, later) * 1000 + rhythm, later * 1000), later * 1000)::HUGEINT AS over_later,
        units4(contribution_12m) - borne + gained AS contribution, units4(contribution_12m) - borne AS apart,
        CASE WHEN product.expected_basis = 'still_buys' THEN units6(product.buying_share)
             WHEN times < 3 THEN 1000000
             ELSE least(greatest(half_even(
                 (greatest(first - last, times - 1) * 6 - last * (times - 1))::HUGEINT * 1000000,
                 greatest(first - last, times - 1)::HUGEINT * 3), 0), 1000000) END AS share
    FROM aged LEFT JOIN peers USING (company_code, ago)
    LEFT JOIN oracle.loyalty USING (company_code, customer_id)
    LEFT JOIN oracle.contribution USING (company_code, customer_id)
    LEFT JOIN product.customer_expectation AS product USING (company_code, customer_id)
),
-- In steps, each a column: half_even is a macro, which writes out what it is given five times, and so one in another 25 times.
weighed AS (
    SELECT *, half_even(two_years * 1000000, two_halves) AS of_halves, half_even(twice_ahead * 1000000, two_years) AS of_ahead,
        half_even(apart * later, span::HUGEINT) AS gained_apart,
        half_even(CASE WHEN sold > 0 THEN extra ELSE 0 END * share * ahead, 1000000::HUGEINT * greatest(data_months, 12)) AS extra_ahead,
        half_even(CASE WHEN sold > 0 THEN extra_gain ELSE 0 END * share * ahead, 1000000::HUGEINT * greatest(data_months, 12)) AS extra_gain_ahead
    FROM shared
),
halved AS (SELECT *, half_even(sold_later * of_halves, 1000000) AS sold_by_halves FROM weighed),
paced AS (SELECT *, half_even(2 * sold + coalesce(sold_by_halves, sold), 3) AS pace FROM halved),
held AS (SELECT *, half_even(pace * share, 1000000) AS still_bought FROM paced),
seasoned AS (SELECT *, half_even(still_bought * coalesce(of_ahead, 0), 1000000) AS in_season FROM held)
SELECT company_code, customer_id, ago, is_given, share, has_season,
    greatest(CASE WHEN has_season THEN in_season ELSE half_even(
        (2 * sold * over_later + sold_later * over_span) * share * ahead * 1000,
        3000000::HUGEINT * over_span * over_later) END + extra_ahead, 0) AS units,
    CASE WHEN has_season THEN half_even(contribution * in_season, sold)
         ELSE half_even(
        (2 * contribution * over_later
            + (gained_later + gained_apart) * over_span) * share * ahead * 1000,
        3000000::HUGEINT * over_span * over_later) END + extra_gain_ahead AS contribution_units,
    CASE WHEN sold <= 0 THEN 'no_sales' WHEN has_season THEN 'own_season' WHEN is_given THEN 'still_buys'
         WHEN share < 1000000 THEN 'silent' WHEN tenure < span THEN 'peers' ELSE 'recent_pace' END AS basis
FROM seasoned;

-- What came true of the earlier forecasts.
CREATE OR REPLACE TABLE oracle.missed AS
WITH came AS (
    SELECT company_code, customer_id, ago, sum(units4(net_sales)) AS true_units
    FROM oracle.customer_month JOIN oracle.forecast_origin USING (company_code)
    WHERE month > period AND month <= this_month() GROUP BY ALL
)
SELECT company_code, customer_id, ago, units, coalesce(true_units, 0) AS true_units,
    half_even(coalesce(true_units, 0) * 1000000, units) AS ratio,
    (sum(units) OVER largest - units) * 100 < sum(units) OVER (PARTITION BY company_code, ago) * 80 AS is_large
FROM oracle.forecast LEFT JOIN came USING (company_code, customer_id, ago)
WHERE ago > 0 AND units > 0
WINDOW largest AS (PARTITION BY company_code, ago ORDER BY units DESC, customer_id ROWS UNBOUNDED PRECEDING);

-- Half of what all of a company were off by at the earliest of the forecasts, as far as the data reach beyond a year.
CREATE OR REPLACE TABLE oracle.level AS
SELECT company_code, 1000000 + CASE WHEN sum(true_units) < sum(units) THEN -1 ELSE 1 END * half_even(
    abs(least(greatest(sum(true_units), 0), 2 * sum(units)) - sum(units)) * least(greatest(any_value(data_months) - 12, 0), 12) * 1000000,
    sum(units) * 24) AS level
FROM oracle.missed JOIN (SELECT company_code, ago AS earliest FROM oracle.forecast_origin QUALIFY row_number() OVER (PARTITION BY company_code ORDER BY ago DESC) = 1)
    USING (company_code)
JOIN (SELECT company_code, data_months FROM oracle.forecast_origin WHERE ago = 0) USING (company_code)
WHERE ago = earliest GROUP BY ALL HAVING count(*) >= 30;

CREATE OR REPLACE TABLE oracle.bound AS
WITH sized AS (
    SELECT company_code, is_large, ratio FROM oracle.missed
    UNION ALL SELECT company_code, NULL, ratio FROM oracle.missed
),
listed AS (
    SELECT company_code, is_large, list_sort(list(ratio)) AS ratios, count(*) AS n FROM sized GROUP BY ALL HAVING count(*) >= 30
)
SELECT company_code, is_large, greatest(ratios[(n * 10 + 99) // 100], 0) AS low,
    ratios[(n * CASE WHEN ratios[(n * 10 + 99) // 100] <= 0 THEN 85 ELSE 90 END + 99) // 100] AS high
FROM listed;

CREATE OR REPLACE TABLE oracle.expectation AS
WITH given AS (SELECT company_code, bool_or(is_given) AS is_given FROM oracle.forecast GROUP BY ALL),
figured AS (
    SELECT customer.company_code, customer.customer_id, forecast.share, forecast.has_season, contribution_units,
        contribution_12m IS NOT NULL AS has_contribution, customer.channel,
        CASE WHEN (customer.company_code, customer.customer_id) IN (SELECT (company_code, customer_id) FROM seen.heir) THEN 'succeeded'
             WHEN first_order_on IS NULL THEN 'no_orders'
             WHEN master.status IN ('blocked', 'inactive') THEN master.status END AS reason,
        coalesce(basis, 'no_sales') AS basis, coalesce(units, 0) AS units, coalesce(level, 1000000) AS level
    FROM oracle.customer AS customer
    LEFT JOIN seen.customers AS master USING (company_code, customer_id)
    LEFT JOIN (FROM oracle.forecast WHERE ago = 0) AS forecast USING (company_code, customer_id)
    LEFT JOIN oracle.contribution USING (company_code, customer_id)
    LEFT JOIN oracle.level USING (company_code)
),
leveled AS (
    SELECT *, half_even(units * level, 1000000) AS figure, half_even(contribution_units * level, 1000000) AS contribution_figure FROM figured
),
sized AS (
    SELECT *, (sum(units) OVER largest - units) * 100 < sum(units) OVER (PARTITION BY company_code) * 80 AS is_large
    FROM leveled WHERE reason IS NULL
    WINDOW largest AS (PARTITION BY company_code ORDER BY units DESC, customer_id ROWS UNBOUNDED PRECEDING)
),
bounded AS (
    SELECT sized.*,
        CASE WHEN whole.low IS NOT NULL THEN least(half_even(units * coalesce(own.low, whole.low), 1000000), figure) END AS low_units,
        CASE WHEN whole.low IS NOT NULL THEN greatest(half_even(units * coalesce(own.high, whole.high), 1000000), figure) END
            AS high_units
    FROM sized
    LEFT JOIN oracle.bound AS own ON own.company_code = sized.company_code AND own.is_large = sized.is_large
    LEFT JOIN oracle.bound AS whole ON whole.company_code = sized.company_code AND whole.is_large IS NULL
)
SELECT figured.company_code, figured.customer_id, figured.channel, this_month() AS period,
    coalesce(figured.reason, figured.basis) AS expected_basis,
    CASE WHEN given.is_given AND bounded.level <> 1000000 THEN product.expected_net_sales_12m ELSE from_units4(bounded.figure)::DECIMAL(38, 4) END
        AS expected_net_sales_12m,
    CASE WHEN given.is_given THEN product.expected_net_sales_low ELSE from_units4(low_units)::DECIMAL(38, 4) END
        AS expected_net_sales_low,
    CASE WHEN given.is_given THEN product.expected_net_sales_high ELSE from_units4(high_units)::DECIMAL(38, 4) END
        AS expected_net_sales_high,
    CASE WHEN given.is_given AND bounded.level <> 1000000 THEN product.expected_contribution_12m
         WHEN bounded.has_contribution THEN from_units4(coalesce(bounded.contribution_figure, 0))::DECIMAL(38, 4) END
        AS expected_contribution_12m,
    bounded.share / 1000000 AS buying_share
FROM figured
LEFT JOIN bounded USING (company_code, customer_id)
LEFT JOIN given USING (company_code)
LEFT JOIN product.customer_expectation AS product USING (company_code, customer_id);
