-- A customer's salesperson is who sold it last; null where no line names one.
SELECT company_code, year.salesperson_id, count(*)::INTEGER AS customers,
    count(*) FILTER (WHERE year.is_value_customer)::INTEGER AS value_customers,
    sum(year.net_sales_12m) AS net_sales_12m, sum(year.net_sales_year_before) AS net_sales_year_before,
    sum(year.net_sales_difference) AS net_sales_difference, sum(year.contribution_12m) AS contribution_12m,
    (sum(year.contribution_12m)
        / nullif(greatest(sum(year.net_sales_12m) FILTER (WHERE year.contribution_12m IS NOT NULL), 0), 0))::DECIMAL(18,6)::DOUBLE
        AS margin_12m,
    CASE WHEN count(value.contribution_12m) > 0
        THEN coalesce(-sum(value.contribution_12m) FILTER (WHERE value.is_loss_making), 0) END::DECIMAL(38,4) AS loss,
    sum(value.headroom_12m) FILTER (WHERE value.effective_tier = 'cultivate') AS cultivate_headroom,
    sum(overdue) AS overdue, count(call.stake)::INTEGER AS customers_to_call, sum(call.stake) AS stake
FROM customer_year AS year
JOIN customer_value AS value USING (company_code, customer_id)
LEFT JOIN customer_overdue USING (company_code, customer_id)
LEFT JOIN call_now AS call USING (company_code, customer_id)
WHERE value.effective_rank > 0
GROUP BY company_code, year.salesperson_id
