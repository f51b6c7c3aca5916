-- A ratio takes only customers for whom both sides are known; nothing is known of losses where no contribution is.
WITH reach AS (
    SELECT company_code, min(month) AS first_month FROM customer_month GROUP BY company_code
)
SELECT company_code, period, greatest(0, least(12, date_diff('month', min(first_month), period) + 1))::INTEGER AS months_covered,
    count(*) FILTER (WHERE effective_rank > 0)::INTEGER AS customers, sum(net_sales_12m) AS net_sales,
    sum(contribution_12m) AS contribution,
    (sum(contribution_12m) / nullif(greatest(sum(net_sales_12m) FILTER (WHERE contribution_12m IS NOT NULL), 0), 0))
        ::DECIMAL(38,6)::DOUBLE AS margin,
    count(*) FILTER (WHERE is_value_customer)::INTEGER AS value_customers,
    (sum(net_sales_12m) FILTER (WHERE is_value_customer) / nullif(greatest(sum(net_sales_12m), 0), 0))::DECIMAL(38,6)::DOUBLE
        AS value_customers_share,
    sum(headroom_12m) FILTER (WHERE effective_tier = 'cultivate') AS cultivate_headroom,
    CASE WHEN count(contribution_12m) > 0 THEN coalesce(-sum(contribution_12m) FILTER (WHERE is_loss_making), 0) END
        ::DECIMAL(38,4) AS loss
FROM customer_period LEFT JOIN reach USING (company_code)
GROUP BY company_code, period
