WITH latest AS (
    SELECT company_code, max(period) AS month FROM rated.customer_value_history GROUP BY company_code
), begins AS (
    SELECT company_code, min(month) AS begins FROM rated.customer_month GROUP BY company_code
), span AS (
    SELECT company_code, action_id, customer_id, action_done, done_on, remark, months_after,
        date_trunc('month', done_on)::DATE AS own_month, (date_trunc('month', done_on) + to_months(months_after))::DATE AS last_month
    FROM erp.actions CROSS JOIN (SELECT unnest([3, 6])::INTEGER AS months_after)
    WHERE NOT is_deleted
), sold AS (
    SELECT company_code, customer_id, month, net_sales, contribution FROM rated.customer_month
    UNION ALL
    SELECT company_code, NULL, month, sum(net_sales), NULL FROM rated.customer_month GROUP BY company_code, month
), summed AS (
    SELECT span.company_code, action_id, months_after,
        sum(net_sales) FILTER (WHERE sold.customer_id IS NOT NULL AND month > own_month) AS net_sales_after,
        sum(contribution) FILTER (WHERE sold.customer_id IS NOT NULL AND month > own_month) AS contribution_after,
        sum(net_sales) FILTER (WHERE sold.customer_id IS NOT NULL AND month < own_month
            AND month >= own_month - to_months(months_after)) AS net_sales_before,
        sum(contribution) FILTER (WHERE sold.customer_id IS NOT NULL AND month < own_month
            AND month >= own_month - to_months(months_after)) AS contribution_before,
        sum(net_sales) FILTER (WHERE sold.customer_id IS NOT NULL AND month > own_month - INTERVAL 12 MONTHS
            AND month <= last_month - INTERVAL 12 MONTHS) AS net_sales_year_before,
        sum(net_sales) FILTER (WHERE sold.customer_id IS NULL AND month > own_month) AS company_after,
        sum(net_sales) FILTER (WHERE sold.customer_id IS NULL AND month > own_month - INTERVAL 12 MONTHS
            AND month <= last_month - INTERVAL 12 MONTHS) AS company_year_before
    FROM span
    LEFT JOIN sold ON sold.company_code = span.company_code AND month BETWEEN own_month - INTERVAL 12 MONTHS AND last_month
        AND (sold.customer_id IS NULL OR sold.customer_id = span.customer_id)
    GROUP BY span.company_code, action_id, months_after
), known AS (
    -- A month without a line is one of no sales, where the company's data cover it; before them nothing is known.
    SELECT span.*, last_month <= latest.month AS is_rated, begins <= own_month - to_months(months_after) AS is_before_known,
        begins <= own_month - INTERVAL 11 MONTHS AS is_year_known, summed.* EXCLUDE (company_code, action_id, months_after)
    FROM span
    JOIN summed USING (company_code, action_id, months_after)
    LEFT JOIN latest USING (company_code)
    LEFT JOIN begins USING (company_code)
), told AS (
    SELECT *, CASE WHEN is_rated THEN coalesce(net_sales_after, 0) END AS after,
        CASE WHEN is_year_known THEN coalesce(net_sales_year_before, 0) END AS year_before
    FROM known
)
SELECT company_code, action_id, months_after, customer_id, coalesce(customer.name, customer_id) AS name, action_done, done_on, remark,
    last_day(last_month) AS through, after::DECIMAL(38,4) AS net_sales_after,
    CASE WHEN is_before_known THEN coalesce(net_sales_before, 0) END::DECIMAL(38,4) AS net_sales_before,
    year_before::DECIMAL(38,4) AS net_sales_year_before,
    CASE WHEN is_rated THEN contribution_after END::DECIMAL(38,4) AS contribution_after,
    CASE WHEN is_before_known THEN contribution_before END::DECIMAL(38,4) AS contribution_before,
    CASE WHEN year_before > 0 THEN round(after::DOUBLE / year_before::DOUBLE - 1, 6) END::DECIMAL(18,6) AS change_on_year,
    CASE WHEN is_rated AND is_year_known AND company_year_before > 0
        THEN round(company_after::DOUBLE / company_year_before::DOUBLE - 1, 6) END::DECIMAL(18,6) AS company_change_on_year,
    then_.effective_tier AS tier_before, CASE WHEN is_rated THEN now.effective_tier END AS tier_after
FROM told
LEFT JOIN publishing.main.customer USING (company_code, customer_id)
LEFT JOIN publishing.main.customer_period AS then_
    ON (then_.company_code, then_.customer_id, then_.period)
        = (told.company_code, told.customer_id, (own_month - INTERVAL 1 MONTH)::DATE)
LEFT JOIN publishing.main.customer_period AS now
    ON (now.company_code, now.customer_id, now.period) = (told.company_code, told.customer_id, last_month)
