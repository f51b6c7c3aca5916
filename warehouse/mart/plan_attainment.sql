-- Of each plan the version that was made last by the day that is rated, begun by then and not ended more than a year before. A
-- member's channel, territory and salesperson are those its master and lines name now.
WITH latest AS (
    SELECT company_code, max(period) AS month, last_day(max(period)) AS closed_through, max(as_of) AS as_of
    FROM rated.customer_value_history GROUP BY company_code
), ruling AS (
    SELECT plans.*, least(period_end, closed_through) AS through
    FROM erp.plans JOIN latest USING (company_code)
    WHERE NOT is_deleted AND available_on <= as_of AND planned_on <= as_of
    QUALIFY dense_rank() OVER (PARTITION BY company_code, plan_id ORDER BY planned_on DESC, plan_version DESC) = 1
        AND period_start <= closed_through AND period_end > closed_through - INTERVAL 12 MONTHS
), asked AS (
    -- Sales are not summed of months, nor by product groups, that nobody planned.
    SELECT min(period_start) - INTERVAL 12 MONTHS AS since, list(DISTINCT level) AS levels FROM ruling
), sold AS (
    SELECT company_code, month, net_sales,
        unnest([
            {level: 'company', member: NULL::VARCHAR}, {level: 'channel', member: customer.channel},
            {level: 'territory', member: customer.territory_id}, {level: 'salesperson', member: customer.salesperson_id},
            {level: 'customer', member: customer_id}
        ], recursive := true)
    FROM rated.customer_month JOIN publishing.main.customer USING (company_code, customer_id)
    WHERE month >= (SELECT since FROM asked)
    UNION ALL BY NAME
    SELECT company_code, month, net_sales, 'product_category' AS level, category AS member
    FROM rated.sales_cell
    LEFT JOIN (SELECT company_code, product_id, category FROM erp.products WHERE NOT is_deleted) USING (company_code, product_id)
    WHERE month >= (SELECT since FROM asked WHERE list_contains(levels, 'product_category'))
), of_member AS (
    SELECT company_code, level, member, month, sum(net_sales) AS net_sales FROM sold GROUP BY company_code, level, member, month
), begins AS (
    SELECT company_code, min(month) AS begins FROM rated.customer_month GROUP BY company_code
), counted AS (
    SELECT ruling.company_code, plan_id, plan_version, ruling.level, ruling.member, period_start, period_end, through,
        any_value(planned_net_sales)::DECIMAL(38,4) AS planned, any_value(begins) AS begins,
        coalesce(sum(of_member.net_sales) FILTER (WHERE month BETWEEN period_start AND through), 0) AS net_sales,
        coalesce(sum(of_member.net_sales) FILTER (WHERE month BETWEEN period_start - INTERVAL 12 MONTHS
            AND through - INTERVAL 12 MONTHS), 0) AS due_then,
        coalesce(sum(of_member.net_sales) FILTER (WHERE month BETWEEN period_start - INTERVAL 12 MONTHS
            AND period_end - INTERVAL 12 MONTHS), 0) AS all_then
    FROM ruling
    LEFT JOIN begins USING (company_code)
    LEFT JOIN of_member ON of_member.company_code = ruling.company_code AND of_member.level = ruling.level
        AND of_member.member IS NOT DISTINCT FROM ruling.member
        AND month BETWEEN period_start - INTERVAL 12 MONTHS AND period_end
    GROUP BY ruling.company_code, plan_id, plan_version, ruling.level, ruling.member, period_start, period_end, through
), weighed AS (
    SELECT *, begins <= period_start - INTERVAL 12 MONTHS AND all_then > 0 AND due_then BETWEEN 0 AND all_then AS by_last_year
    FROM counted
), due AS (
    -- In whole units of money's four places, rounded half up.
    SELECT *, CASE WHEN by_last_year THEN (due_then * 10000)::HUGEINT ELSE through - period_start + 1 END AS part,
        CASE WHEN by_last_year THEN (all_then * 10000)::HUGEINT ELSE period_end - period_start + 1 END AS whole
    FROM weighed
), attained AS (
    SELECT *, (((planned * 10000)::HUGEINT * part * 2 + whole) // (whole * 2))::DECIMAL(34,0) * 0.0001 AS planned_to_date
    FROM due
), spans AS (
    SELECT company_code, plan_id, plan_version, level, period_start, period_end, through, sum(net_sales) AS net_sales
    FROM counted WHERE level <> 'company'
    GROUP BY ALL
), unplanned AS (
    SELECT spans.company_code, plan_id, plan_version, spans.level, period_start, period_end, through,
        coalesce(sum(of_member.net_sales), 0) - any_value(spans.net_sales) AS net_sales
    FROM spans
    LEFT JOIN of_member ON of_member.company_code = spans.company_code AND of_member.level = 'company'
        AND month BETWEEN period_start AND through
    GROUP BY spans.company_code, plan_id, plan_version, spans.level, period_start, period_end, through
)
SELECT company_code, plan_id, plan_version, level, member, period_start, period_end, through, planned::DECIMAL(38,4) AS planned,
    planned_to_date::DECIMAL(38,4) AS planned_to_date,
    CASE WHEN by_last_year THEN 'last_year' ELSE 'days' END AS to_date_by, net_sales::DECIMAL(38,4) AS net_sales,
    (net_sales - planned_to_date)::DECIMAL(38,4) AS difference,
    CASE WHEN planned_to_date > 0 THEN round(net_sales::DOUBLE / planned_to_date::DOUBLE, 6) END::DECIMAL(18,6) AS attainment
FROM attained
UNION ALL
SELECT company_code, plan_id, plan_version, level, NULL, period_start, period_end, through, NULL, NULL, NULL,
    net_sales::DECIMAL(38,4), NULL, NULL
FROM unplanned
