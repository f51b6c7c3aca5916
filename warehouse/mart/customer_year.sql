-- The same months of last year, by the rating of then; where that month was not rated, net sales by the customer's months. Null
-- where the company's data do not reach back over all twelve. What was a succeeded customer's counts as its successor's.
WITH heir AS (
    SELECT company_code, customer_id, successor_id, share FROM customer_succession
    UNION ALL
    SELECT company_code, customer_id, customer_id, (1 - sum(share))::DECIMAL(9,6) FROM customer_succession
    GROUP BY company_code, customer_id HAVING sum(share) < 1
), span AS (
    SELECT company_code, max(period) AS period, (max(period) - INTERVAL 12 MONTHS)::DATE AS period_before
    FROM customer_value GROUP BY company_code
), covered AS (
    SELECT company_code, min(month) <= min(period_before) - INTERVAL 11 MONTHS AS is_covered
    FROM customer_month JOIN span USING (company_code) GROUP BY company_code
), rated AS (
    SELECT DISTINCT company_code FROM customer_period JOIN span USING (company_code)
    WHERE customer_period.period = period_before
), sold AS (
    SELECT company_code, coalesce(successor_id, customer_id) AS customer_id,
        sum(CASE WHEN share < 1 THEN net_sales * share ELSE net_sales END) AS net_sales
    FROM customer_month JOIN span USING (company_code)
    LEFT JOIN heir USING (company_code, customer_id)
    WHERE month > period_before - INTERVAL 12 MONTHS AND month <= period_before
    GROUP BY ALL
), continued AS (
    SELECT company_code, coalesce(successor_id, customer_id) AS customer_id, period,
        sum(CASE WHEN share < 1 THEN net_sales_12m * share ELSE net_sales_12m END) AS net_sales_12m,
        sum(CASE WHEN share < 1 THEN contribution_12m * share ELSE contribution_12m END) AS contribution_12m
    FROM customer_period LEFT JOIN heir USING (company_code, customer_id)
    GROUP BY ALL
), best AS (
    SELECT company_code, customer_id, max(net_sales_12m) AS net_sales,
        max(net_sales_12m) FILTER (WHERE continued.period = period_before) AS net_sales_before,
        max(contribution_12m) FILTER (WHERE continued.period = period_before) AS contribution_before
    FROM continued JOIN span USING (company_code)
    WHERE continued.period > span.period - INTERVAL 24 MONTHS
    GROUP BY company_code, customer_id
), compared AS (
    SELECT company_code, customer_id, now.period, customer.name, customer.salesperson_id, customer.territory_id,
        customer.channel, customer.status, now.effective_tier, now.is_value_customer, now.net_sales_12m, now.contribution_12m,
        CASE WHEN is_covered THEN CASE WHEN rated.company_code IS NULL THEN coalesce(sold.net_sales, 0)
            ELSE coalesce(best.net_sales_before, 0) END END AS net_sales_year_before,
        CASE WHEN is_covered THEN best.contribution_before END AS contribution_year_before,
        greatest(best.net_sales, CASE WHEN is_covered THEN sold.net_sales END) AS best_net_sales_12m
    FROM customer_value AS now
    JOIN span USING (company_code)
    JOIN customer USING (company_code, customer_id)
    LEFT JOIN covered USING (company_code)
    LEFT JOIN rated USING (company_code)
    LEFT JOIN sold USING (company_code, customer_id)
    LEFT JOIN best USING (company_code, customer_id)
)
SELECT company_code, customer_id, period, name, salesperson_id, territory_id, channel, status, effective_tier,
    is_value_customer, net_sales_12m, net_sales_year_before::DECIMAL(38,4) AS net_sales_year_before,
    (coalesce(net_sales_12m, 0) - net_sales_year_before)::DECIMAL(38,4) AS net_sales_difference,
    contribution_12m, contribution_year_before::DECIMAL(38,4) AS contribution_year_before,
    (contribution_12m - contribution_year_before)::DECIMAL(38,4) AS contribution_difference,
    best_net_sales_12m::DECIMAL(38,4) AS best_net_sales_12m
FROM compared
