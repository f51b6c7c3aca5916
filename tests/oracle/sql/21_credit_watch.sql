-- DOMAIN 5. Grain: one customer with an item posted by as_of. Reading: or with an open order, which is exposure too.
CREATE OR REPLACE TABLE oracle.credit_figure AS
WITH ordered AS (SELECT company_code, customer_id, sum(amount) AS open_orders FROM seen.open_orders GROUP BY ALL),
currency AS (SELECT company_code, min(company_currency) AS company_currency FROM seen.receivables GROUP BY ALL),
-- a limit in another currency than the books' cannot be compared
credit_limit AS (
    SELECT company_code, customer_id, group_id,
        CASE WHEN credit_currency IS NULL OR credit_currency = company_currency THEN credit_limit END AS credit_limit,
        CASE WHEN credit_limit IS NULL THEN 'no_limit_set' WHEN credit_currency <> company_currency THEN 'other_currency' END AS limit_reason
    FROM seen.customers
    LEFT JOIN currency USING (company_code)
)
SELECT company_code, customer_id,
    coalesce(open_balance, 0) AS open_balance, coalesce(not_yet_due, 0) AS not_yet_due,
    coalesce(overdue_1_30, 0) AS overdue_1_30, coalesce(overdue_31_60, 0) AS overdue_31_60,
    coalesce(overdue_61_90, 0) AS overdue_61_90, coalesce(overdue_over_90, 0) AS overdue_over_90,
    coalesce(unapplied_credit, 0) AS unapplied_credit, coalesce(disputed, 0) AS disputed,
    coalesce(owed, 0) AS owed, coalesce(overdue, 0) AS overdue, coalesce(severe, 0) AS severe,
    coalesce(past_grace, 0) AS past_grace, coalesce(newly_past_grace, 0) AS newly_past_grace,
    coalesce(late_amount, 0) AS late_amount, coalesce(counted_amount, 0) AS counted_amount,
    oldest_overdue_days, days_late_12m, days_beyond_terms_12m, days_late_trend, days_late_p90_12m, dso_countback, best_possible_dso, collection_effectiveness,
    CASE WHEN owed > 0 THEN overdue::DOUBLE / owed::DOUBLE END AS overdue_share,
    CASE WHEN owed > 0 THEN overdue_1_30::DOUBLE / owed::DOUBLE END AS newly_overdue_share,
    credit_limit,
    CASE WHEN credit_limit IS NULL THEN coalesce(limit_reason, 'master_missing') END AS credit_limit_reason,
    CASE WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'open_orders')
         THEN coalesce(open_orders, 0) END AS open_orders,
    coalesce(open_balance, 0) + coalesce(open_orders, 0) AS exposure,
    CASE WHEN company_code IN (SELECT company_code FROM oracle.credit_item WHERE promised_on IS NOT NULL)
         THEN coalesce(broken_promises, 0)::INTEGER END AS broken_promises,
    coalesce(broken_amount, 0) AS broken_amount,
    group_id
FROM oracle.ageing
FULL JOIN ordered USING (company_code, customer_id)
LEFT JOIN credit_limit USING (company_code, customer_id)
LEFT JOIN oracle.lateness USING (company_code, customer_id)
LEFT JOIN oracle.habit USING (company_code, customer_id)
LEFT JOIN oracle.count_back USING (company_code, customer_id)
LEFT JOIN oracle.collected USING (company_code, customer_id)
LEFT JOIN oracle.promise USING (company_code, customer_id);

-- Grain: one group of a legal entity. Reading: its members in the watch; a limit only where each of them has one.
CREATE OR REPLACE TABLE oracle.credit_group AS
SELECT company_code, group_id, sum(exposure) AS group_exposure,
    CASE WHEN count(credit_limit) = count(*) THEN sum(credit_limit) END AS group_limit
FROM oracle.credit_figure
WHERE group_id IS NOT NULL
GROUP BY ALL;

-- Grain: one customer and graded figure that is assessed; bars are inclusive, the worst figure decides.
CREATE OR REPLACE TABLE oracle.figure_grade AS
SELECT company_code, customer_id, figure, min(grade) AS grade
FROM (SELECT company_code, customer_id, unnest([
        {'figure': 'overdue_share', 'value': six(overdue_share)}, {'figure': 'days_late_12m', 'value': six(days_late_12m)},
        {'figure': 'oldest_overdue_days', 'value': oldest_overdue_days::DECIMAL(38, 6)}], recursive := true)
      FROM oracle.credit_figure)
JOIN oracle.grade_bar USING (figure)
WHERE value <= bar OR (value IS NOT NULL AND bar IS NULL)
GROUP BY ALL;

-- The hardest of what is called for. Severe: material in the absolute and relative sense, so that cents do not block.
-- Reading: nor do cents block by the grade: more than `watch` needs a material amount behind the figure, overdue now by more
-- than the days of grace (share, oldest) or paid late within the year (days late). A limit of 0 allows nothing, whatever is owed.
CREATE OR REPLACE TABLE oracle.material AS (
    SELECT *,
        severe > 0 AND severe >= getvariable('credit.material_amount') AND severe >= getvariable('credit.material_share') * owed AS is_severe,
        past_grace > 0 AND past_grace >= getvariable('credit.material_amount')
            AND past_grace >= getvariable('credit.material_share') * owed AS now_counts,
        late_amount > 0 AND late_amount >= getvariable('credit.material_amount')
            AND late_amount >= getvariable('credit.material_share') * counted_amount AS habit_counts
    FROM oracle.credit_figure
);

CREATE OR REPLACE TABLE oracle.credit_action AS
WITH called_for AS (
    SELECT company_code, customer_id, 'open' AS action FROM oracle.material
    UNION ALL
    SELECT company_code, customer_id, getvariable('credit.severe_action') FROM oracle.material WHERE is_severe
    UNION ALL
    SELECT company_code, customer_id, getvariable('credit.over_limit_action') FROM oracle.material
    WHERE exposure > credit_limit OR credit_limit = 0
    UNION ALL
    SELECT company_code, customer_id,
        CASE WHEN action IN ('prepay', 'stop') AND NOT (CASE figure WHEN 'days_late_12m' THEN habit_counts ELSE now_counts END)
             THEN 'watch' ELSE action END
    FROM oracle.figure_grade
    JOIN oracle.grade_action USING (grade)
    JOIN oracle.material USING (company_code, customer_id)
)
SELECT company_code, customer_id,
    ['open', 'watch', 'prepay', 'stop'][max(list_position(['open', 'watch', 'prepay', 'stop'], action))] AS credit_action
FROM called_for
GROUP BY ALL;

CREATE OR REPLACE TABLE oracle.credit_watch AS
SELECT figure.*, credit_grade, credit_action,
    CASE WHEN credit_limit > 0 THEN exposure::DOUBLE / credit_limit::DOUBLE END AS utilisation,
    dso_countback - best_possible_dso AS average_days_delinquent,
    (credit_limit - exposure)::DECIMAL(38, 4) AS next_order_headroom,
    group_exposure, group_limit, (group_limit - group_exposure)::DECIMAL(38, 4) AS group_headroom,
    getvariable('as_of') AS as_of
FROM oracle.credit_figure AS figure
LEFT JOIN (SELECT company_code, customer_id, max(grade) AS credit_grade FROM oracle.figure_grade GROUP BY ALL)
    USING (company_code, customer_id)
LEFT JOIN oracle.credit_group USING (company_code, group_id)
JOIN oracle.credit_action USING (company_code, customer_id);
