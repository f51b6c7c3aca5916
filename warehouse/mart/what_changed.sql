-- Facts that could be said, each with its money; the five that move most are kept. Facts overlap: they do not sum up.
WITH customer_fact AS (
    SELECT company_code, period, customer_id, name, territory_id, channel, net_sales_difference,
        net_sales_12m > 0 AND net_sales_year_before <= 0 AS is_won, coalesce(net_sales_12m, 0) <= 0 AND net_sales_year_before > 0 AS is_lost
    FROM customer_year WHERE net_sales_difference IS NOT NULL
), cut AS (
    -- The only channel or territory says what the company's change says already.
    SELECT company_code, count(DISTINCT coalesce(channel, '')) > 1 AS has_channels,
        count(DISTINCT coalesce(territory_id, '')) > 1 AS has_territories
    FROM customer_fact GROUP BY company_code
), fact AS (
    SELECT company_code, period, 'customers_won' AS fact, NULL AS customer_id, NULL AS name, NULL AS territory_id, NULL AS channel,
        sum(net_sales_difference) AS amount, count(*) AS customers
    FROM customer_fact WHERE is_won GROUP BY company_code, period
    UNION ALL
    SELECT company_code, period, 'customers_lost', NULL, NULL, NULL, NULL, sum(net_sales_difference), count(*)
    FROM customer_fact WHERE is_lost GROUP BY company_code, period
    UNION ALL
    SELECT company_code, period, 'largest_rise', customer_id, name, NULL, NULL, net_sales_difference, 1 FROM customer_fact
    WHERE net_sales_difference > 0
    QUALIFY row_number() OVER (PARTITION BY company_code ORDER BY net_sales_difference DESC, customer_id) = 1
    UNION ALL
    SELECT company_code, period, 'largest_fall', customer_id, name, NULL, NULL, net_sales_difference, 1 FROM customer_fact
    WHERE net_sales_difference < 0
    QUALIFY row_number() OVER (PARTITION BY company_code ORDER BY net_sales_difference, customer_id) = 1
    UNION ALL
    SELECT company_code, period, CASE WHEN sum(net_sales_difference) < 0 THEN 'territory_fell' ELSE 'territory_rose' END,
        NULL, NULL, territory_id, NULL, sum(net_sales_difference), count(*)
    FROM customer_fact JOIN cut USING (company_code) WHERE territory_id IS NOT NULL AND has_territories GROUP BY company_code, period, territory_id
    QUALIFY row_number() OVER (
        PARTITION BY company_code, sum(net_sales_difference) < 0 ORDER BY abs(sum(net_sales_difference)) DESC, territory_id) = 1
    UNION ALL
    SELECT company_code, period, CASE WHEN sum(net_sales_difference) < 0 THEN 'channel_fell' ELSE 'channel_rose' END,
        NULL, NULL, NULL, channel, sum(net_sales_difference), count(*)
    FROM customer_fact JOIN cut USING (company_code) WHERE channel IS NOT NULL AND has_channels GROUP BY company_code, period, channel
    QUALIFY row_number() OVER (
        PARTITION BY company_code, sum(net_sales_difference) < 0 ORDER BY abs(sum(net_sales_difference)) DESC, channel) = 1
    UNION ALL
    SELECT company_code, period, CASE direction WHEN 'up' THEN 'moved_up' ELSE 'moved_down' END, NULL, NULL, NULL, NULL,
        sum(net_sales_difference), sum(customers)
    FROM tier_migration WHERE span = 'year' AND direction IN ('up', 'down') GROUP BY company_code, period, direction
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY company_code ORDER BY abs(amount) DESC, fact, customer_id) AS place
    FROM fact
    WHERE amount <> 0
)
SELECT company_code, period, place::INTEGER AS place, fact, customer_id, name, territory_id, channel,
    customers::INTEGER AS customers, amount::DECIMAL(38,4) AS net_sales_difference
FROM ranked WHERE place <= 5
