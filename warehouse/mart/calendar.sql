-- Every month that any company has a figure of, without gaps.
WITH reach AS (
    SELECT min(month) AS first_month, max(month) AS last_month
    FROM (SELECT month FROM customer_month UNION ALL SELECT period FROM customer_value_history)
)
SELECT month::DATE AS period, last_day(month) AS period_end, year(month)::INTEGER AS calendar_year,
    quarter(month)::INTEGER AS calendar_quarter, month(month)::INTEGER AS calendar_month
FROM (
    SELECT unnest(generate_series(first_month, last_month, INTERVAL 1 MONTH)) AS month FROM reach WHERE first_month IS NOT NULL
)
