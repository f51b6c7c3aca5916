-- Early warnings with hysteresis and materiality. Grain of each table: one customer (and cause) of the watch.
-- Reading: a cause is raised from its bar on, and once raised holds above the bar that clears it; `before` is the watch of the
-- latest day up to as_of, whatever was watched later: who looks back finds what stood then. What is late or overdue must be
-- material. What is overdue counts beyond the days of grace, and a share that fell overdue holds while some of it is; the grade
-- is that of what is overdue now: a habit without anything overdue warns nobody. By habit a customer is warned of from the first
-- day on that something material is overdue, and for as long as anything is.
CREATE OR REPLACE TABLE oracle.warning_cause AS
WITH graded AS (
    SELECT company_code, customer_id, max(grade) AS grade_now
    FROM oracle.figure_grade
    WHERE NOT firm AND figure IN ('overdue_share', 'oldest_overdue_days')
    GROUP BY ALL
),
figure AS (
    SELECT watch.*, grade_now, utilisation AS used, hardness(credit_action) AS hardness,
        counts(newly_past_grace, net_owed, yearly_sales, 1, 1) AS newly_counts,
        counts(net_overdue, net_owed, yearly_sales, 1, 1) AS overdue_counts,
        counts(broken_amount, net_owed, yearly_sales, 1, 1) AS broken_counts
    FROM oracle.credit_watch AS watch
    LEFT JOIN graded USING (company_code, customer_id)
),
cause AS (
    SELECT company_code, customer_id, unnest([
        {'place': 1, 'cause': 'action',
         'is_raised': hardness >= list_position(['open', 'watch', 'prepay', 'stop'], getvariable('credit.warnings.raise_from.action')),
         'is_on': hardness > list_position(['open', 'watch', 'prepay', 'stop'], getvariable('credit.warnings.clear_at.action'))},
        {'place': 2, 'cause': 'grade',
         'is_raised': now_counts AND grade_now >= getvariable('credit.warnings.raise_from.grade'),
         'is_on': grade_now > getvariable('credit.warnings.clear_at.grade')},
        {'place': 3, 'cause': 'utilisation',
         'is_raised': six(used) >= getvariable('credit.warnings.raise_from.utilisation'),
         'is_on': six(used) > getvariable('credit.warnings.clear_at.utilisation')},
        {'place': 4, 'cause': 'days_late_trend',
         'is_raised': habit_counts AND six(days_late_trend) >= getvariable('credit.warnings.raise_from.days_late_trend')
             AND (overdue_counts OR coalesce(six(paid_late_trend) >= getvariable('credit.warnings.raise_from.days_late_trend'), false)),
         'is_on': six(days_late_trend) > getvariable('credit.warnings.clear_at.days_late_trend')
             AND (overdue_counts OR coalesce(six(paid_late_trend) > getvariable('credit.warnings.clear_at.days_late_trend'), false))},
        {'place': 5, 'cause': 'newly_overdue_share',
         'is_raised': newly_counts AND six(net_newly_overdue_share) >= getvariable('credit.warnings.raise_from.newly_overdue_share'),
         'is_on': newly_past_grace > 0 AND six(net_newly_overdue_share) > getvariable('credit.warnings.clear_at.newly_overdue_share')},
        {'place': 6, 'cause': 'broken_promises',
         'is_raised': broken_counts AND broken_promises >= getvariable('credit.warnings.raise_from.broken_promises'),
         'is_on': broken_promises > getvariable('credit.warnings.clear_at.broken_promises')},
        {'place': 7, 'cause': 'days_late_p90_12m',
         'is_raised': overdue_counts AND days_late_p90_12m >= getvariable('credit.warnings.raise_from.days_late_p90_12m'),
         'is_on': net_overdue > 0 AND days_late_p90_12m > getvariable('credit.warnings.clear_at.days_late_p90_12m')}], recursive := true)
    FROM figure
),
earlier AS (
    SELECT company_code, continued(company_code, customer_id) AS customer_id, unnest(causes) AS cause
    FROM before.credit_watch
    WHERE as_of <= getvariable('as_of')
)
SELECT company_code, customer_id, place, cause.cause
FROM cause
LEFT JOIN earlier USING (company_code, customer_id, cause)
WHERE is_raised OR (earlier.cause IS NOT NULL AND is_on);

-- A warning ends when clear_after_days have passed since the day after the last look that found a cause.
CREATE OR REPLACE TABLE oracle.credit_warning AS
WITH standing AS (
    SELECT company_code, customer_id, string_agg(cause, ', ' ORDER BY place) AS warning_causes
    FROM oracle.warning_cause
    GROUP BY ALL
),
earlier AS (
    SELECT company_code, continued(company_code, customer_id) AS customer_id, warning_since AS since, coalesce(warning_calm_since, least(as_of + 1, getvariable('as_of'))) AS calm
    FROM before.credit_watch
    WHERE as_of <= getvariable('as_of')
)
SELECT company_code, customer_id, warning_causes,
    CASE WHEN warning_causes IS NOT NULL THEN coalesce(since, getvariable('as_of'))
         WHEN getvariable('as_of') - calm < getvariable('credit.warnings.clear_after_days') THEN since END AS warning_since,
    CASE WHEN warning_causes IS NULL AND since IS NOT NULL
          AND getvariable('as_of') - calm < getvariable('credit.warnings.clear_after_days') THEN calm END AS warning_calm_since
FROM oracle.credit_watch
LEFT JOIN standing USING (company_code, customer_id)
LEFT JOIN earlier USING (company_code, customer_id);
