-- Limits and security in company money, with the last rate up to as_of, quoted either way; on one day the
-- direct one.
CREATE OR REPLACE TABLE oracle.credit_limit AS
WITH currency AS (SELECT company_code, min(company_currency) AS company_currency FROM seen.receivables GROUP BY ALL),
rate AS (
    SELECT company_code, from_currency, to_currency, rate_date, units9(rate) AS num, 1000000000::HUGEINT AS den, 2 AS place
    FROM seen.fx_rates WHERE rate_date <= getvariable('as_of')
    UNION ALL
    SELECT company_code, to_currency, from_currency, rate_date, 1000000000::HUGEINT, units9(rate), 1
    FROM seen.fx_rates WHERE rate_date <= getvariable('as_of')
),
last_rate AS (
    SELECT company_code, from_currency, to_currency, rate_date AS rate_on, num, den
    FROM rate
    QUALIFY row_number() OVER (PARTITION BY company_code, from_currency, to_currency ORDER BY rate_date DESC, place DESC) = 1
),
master AS (
    SELECT customers.*, coalesce(credit_currency <> company_currency, false) AS is_foreign, rate_on, num, den
    FROM seen.customers
    LEFT JOIN currency USING (company_code)
    LEFT JOIN last_rate ON last_rate.company_code = customers.company_code
        AND from_currency = credit_currency AND to_currency = company_currency
)
SELECT company_code, customer_id, group_id, status,
    in_books(credit_limit, is_foreign, num, den) AS credit_limit,
    in_books(group_limit, is_foreign, num, den) AS own_group_limit,
    CASE WHEN coalesce(secured_until >= getvariable('as_of'), true) THEN in_books(secured_amount, is_foreign, num, den) END AS secured_amount,
    CASE WHEN credit_limit IS NULL THEN 'no_limit_set'
         WHEN is_foreign AND rate_on IS NULL THEN 'no_rate'
         WHEN is_foreign AND getvariable('as_of') - rate_on > getvariable('credit.limit_rate_max_days') THEN 'old_rate' END AS limit_reason,
    CASE WHEN credit_limit IS NOT NULL AND is_foreign THEN rate_on END AS limit_rate_on
FROM master;

-- Grain: one customer with an item posted by as_of. Reading: or with an open order, which is exposure too.
CREATE OR REPLACE TABLE oracle.credit_figure AS
WITH ordered AS (SELECT company_code, customer_id, sum(amount) AS orders FROM seen.open_orders GROUP BY ALL),
joined AS (
    SELECT * EXCLUDE (severe, past_grace, is_severe, now_counts, worst_grade),
        severe, past_grace, coalesce(is_severe, false) AS is_severe, coalesce(now_counts, false) AS now_counts, worst_grade
    FROM oracle.ageing
    FULL JOIN ordered USING (company_code, customer_id)
    LEFT JOIN oracle.credit_limit USING (company_code, customer_id)
    LEFT JOIN oracle.yearly_sales USING (company_code, customer_id)
    LEFT JOIN (SELECT * EXCLUDE (firm, net_owed, yearly_sales) FROM oracle.overdue WHERE NOT firm) USING (company_code, customer_id)
    LEFT JOIN (
        SELECT company_code, customer_id, net_owed AS firm_owed, severe AS firm_severe, is_severe AS is_firmly_severe,
            now_counts AS counts_firmly, worst_grade AS firm_worst_grade, graded_overdue_share AS firm_share,
            graded_overdue_days AS firm_days
        FROM oracle.overdue WHERE firm
    ) USING (company_code, customer_id)
    LEFT JOIN oracle.lateness USING (company_code, customer_id)
    LEFT JOIN oracle.habit USING (company_code, customer_id)
    LEFT JOIN oracle.count_back USING (company_code, customer_id)
    LEFT JOIN oracle.collected USING (company_code, customer_id)
    LEFT JOIN oracle.otherwise USING (company_code, customer_id)
    LEFT JOIN oracle.promise USING (company_code, customer_id)
),
known AS (
    SELECT * REPLACE (
        coalesce(open_balance, 0) AS open_balance, coalesce(not_yet_due, 0) AS not_yet_due, coalesce(overdue_1_30, 0) AS
        overdue_1_30, coalesce(overdue_31_60, 0) AS overdue_31_60, coalesce(overdue_61_90, 0) AS overdue_61_90,
        coalesce(overdue_over_90, 0) AS overdue_over_90, coalesce(unapplied_credit, 0) AS unapplied_credit, coalesce(deposits,
        0) AS deposits, coalesce(disputed, 0) AS disputed, coalesce(owed, 0) AS owed, coalesce(overdue, 0) AS overdue,
        coalesce(net_owed, 0) AS net_owed, coalesce(net_overdue, 0) AS net_overdue, coalesce(net_overdue_1_30, 0) AS
        net_overdue_1_30, coalesce(net_overdue_over_90, 0) AS net_overdue_over_90, coalesce(disputed_open, 0) AS
        disputed_open, coalesce(to_be_applied, 0) AS to_be_applied, coalesce(newly_past_grace, 0) AS newly_past_grace,
        coalesce(severe, 0) AS severe, coalesce(past_grace, 0) AS past_grace, coalesce(firm_owed, 0) AS firm_owed,
        coalesce(firm_severe, 0) AS firm_severe, coalesce(late_amount, 0) AS late_amount, coalesce(counted_amount, 0) AS
        counted_amount, coalesce(broken_amount, 0) AS broken_amount, coalesce(bills_outstanding, 0) AS bills_outstanding,
        coalesce(written_off_24m, 0) AS written_off_24m, coalesce(written_off_of, 0) AS written_off_of,
        coalesce(secured_amount, 0)::DECIMAL(38, 4) AS secured_amount,
        CASE WHEN company_code IN (SELECT company_code FROM oracle.credit_ledger WHERE promised_on IS NOT NULL)
             THEN coalesce(broken_promises, 0)::INTEGER END AS broken_promises)
    FROM joined
)
SELECT *,
    CASE WHEN credit_limit IS NULL THEN coalesce(limit_reason, 'master_missing') ELSE limit_reason END AS credit_limit_reason,
    CASE WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'open_orders')
         THEN coalesce(orders, 0) END AS open_orders,
    -- a deposit is money held, and lowers nothing
    open_balance - deposits + bills_outstanding + coalesce(orders, 0) AS exposure,
    CASE WHEN owed > 0 THEN overdue::DOUBLE / owed::DOUBLE END AS overdue_share,
    CASE WHEN owed > 0 THEN overdue_1_30::DOUBLE / owed::DOUBLE END AS newly_overdue_share,
    CASE WHEN net_owed > 0 THEN net_overdue::DOUBLE / net_owed::DOUBLE END AS net_overdue_share,
    CASE WHEN net_owed > 0 THEN net_overdue_1_30::DOUBLE / net_owed::DOUBLE END AS net_newly_overdue_share,
    (datediff('month', least(first_month, first_posted), getvariable('as_of')::DATE) + 1)::INTEGER AS months_known,
    counts(late_amount, counted_amount, yearly_sales, 1, 1) AS habit_counts
FROM known;

-- Grain: one group of a legal entity: its members in the watch. Where the group has a limit of its own, all use it up; else those
-- with a limit use up the sum of theirs; where none has one, there is none.
CREATE OR REPLACE TABLE oracle.credit_group AS
SELECT company_code, group_id,
    coalesce(max(own_group_limit), sum(credit_limit))::DECIMAL(38, 4) AS group_limit,
    CASE WHEN max(own_group_limit) IS NOT NULL OR count(credit_limit) = 0 THEN sum(exposure)
         ELSE sum(exposure) FILTER (credit_limit IS NOT NULL) END AS group_exposure,
    sum(net_owed) AS group_owed, sum(yearly_sales) AS group_sales
FROM oracle.credit_figure
WHERE group_id IS NOT NULL
GROUP BY ALL;

-- Grain: one customer, view (disputes that do not count any more: in, or out) and graded figure that is assessed; bars are
-- inclusive. What is overdue gives no worse grade than its amount allows.
CREATE OR REPLACE TABLE oracle.figure_grade AS
WITH figure AS (
    SELECT company_code, customer_id, unnest([
        {'firm': false, 'figure': 'overdue_share', 'value': six(graded_overdue_share), 'worst': worst_grade, 'counts': now_counts},
        {'firm': false, 'figure': 'oldest_overdue_days', 'value': graded_overdue_days::DECIMAL(38, 6), 'worst': worst_grade, 'counts': now_counts},
        {'firm': true, 'figure': 'overdue_share', 'value': six(firm_share), 'worst': firm_worst_grade, 'counts': counts_firmly},
        {'firm': true, 'figure': 'oldest_overdue_days', 'value': firm_days::DECIMAL(38, 6), 'worst': firm_worst_grade, 'counts': counts_firmly},
        {'firm': false, 'figure': 'days_late_12m', 'value': six(days_late_12m), 'worst': 'E', 'counts': habit_counts}], recursive := true)
    FROM oracle.credit_figure
)
SELECT company_code, customer_id, firm, figure, counts, least(min(grade), worst) AS grade
FROM figure
JOIN oracle.grade_bar USING (figure)
WHERE value <= bar OR (value IS NOT NULL AND bar IS NULL)
GROUP BY company_code, customer_id, firm, figure, counts, worst;

-- The hardest of what is called for. More than `watch` needs a material amount behind a grade. `gates`: a stop on it caps the tier.
CREATE OR REPLACE TABLE oracle.called_for AS
WITH customer AS (
    SELECT *, coalesce(months_known, 0) < getvariable('segments.new_below_months')
        AND exposure > getvariable('credit.new_no_limit_free') AS is_new
    FROM oracle.credit_figure
),
milder AS (
    SELECT company_code, customer_id, figure, firm,
        CASE WHEN action IN ('prepay', 'stop') AND NOT counts THEN 'watch' ELSE action END AS action
    FROM oracle.figure_grade
    JOIN oracle.grade_action USING (grade)
)
SELECT company_code, customer_id, 'open' AS action, false AS gates, false AS is_contested FROM customer
UNION ALL SELECT company_code, customer_id, getvariable('credit.blocked_action'), false, false FROM customer WHERE status = 'blocked'
UNION ALL SELECT company_code, customer_id, getvariable('credit.severe_action'), true, false FROM customer WHERE is_firmly_severe
UNION ALL SELECT company_code, customer_id, getvariable('credit.severe_action'), false, true FROM customer WHERE is_severe
UNION ALL SELECT company_code, customer_id, getvariable('credit.over_limit_action'), true, false FROM customer
    WHERE exposure > credit_limit OR credit_limit = 0
UNION ALL SELECT company_code, customer_id, action, true, false FROM milder WHERE firm OR figure = 'days_late_12m'
UNION ALL SELECT company_code, customer_id, action, false, true FROM milder WHERE NOT firm AND figure <> 'days_late_12m'
UNION ALL SELECT company_code, customer_id, getvariable('credit.written_off_action'), true, false FROM customer
    WHERE counts(written_off_24m, written_off_of, yearly_sales, 1, 1)
UNION ALL SELECT company_code, customer_id, 'watch', false, false FROM customer
    WHERE counts(disputed_open, disputed_open + net_owed, yearly_sales, 1, 1)
UNION ALL SELECT company_code, customer_id, getvariable('credit.no_limit_action'), true, false FROM customer WHERE credit_limit IS NULL
UNION ALL SELECT company_code, customer_id, getvariable('credit.new_no_limit_action'), true, false FROM customer
    WHERE credit_limit IS NULL AND is_new;

-- What disputes that do not count any more ask for is at most the policy's dispute_action. A stop for severe arrears that count
-- against the whole group shows at its other members.
CREATE OR REPLACE TABLE oracle.credit_action AS
WITH own AS (
    SELECT company_code, customer_id,
        max(CASE WHEN is_contested THEN least(hardness(action), hardness(getvariable('credit.dispute_action'))) ELSE hardness(action) END) AS hard
    FROM oracle.called_for
    GROUP BY ALL
),
stopped AS (
    SELECT company_code, customer_id, group_id
    FROM own
    JOIN oracle.credit_figure USING (company_code, customer_id)
    JOIN oracle.credit_group USING (company_code, group_id)
    WHERE hard = hardness('stop') AND is_firmly_severe AND counts(firm_severe, group_owed, group_sales, 1, 1)
)
SELECT own.company_code, own.customer_id,
    ['open', 'watch', 'prepay', 'stop'][greatest(hard, CASE WHEN (own.company_code, own.customer_id) NOT IN (SELECT (company_code, customer_id) FROM stopped)
        AND (own.company_code, group_id) IN (SELECT (company_code, group_id) FROM stopped) THEN hardness(getvariable('credit.group_stop_action')) ELSE 1 END)] AS credit_action
FROM own
JOIN oracle.credit_figure USING (company_code, customer_id);

CREATE OR REPLACE TABLE oracle.credit_watch AS
SELECT figure.*, credit_grade, credit_action,
    CASE WHEN credit_limit > 0 THEN exposure::DOUBLE / credit_limit::DOUBLE END AS utilisation,
    greatest(exposure - secured_amount, 0)::DECIMAL(38, 4) AS exposure_unsecured,
    dso_countback - best_possible_dso AS average_days_delinquent,
    (credit_limit - exposure)::DECIMAL(38, 4) AS next_order_headroom,
    group_exposure, group_limit, (group_limit - group_exposure)::DECIMAL(38, 4) AS group_headroom,
    getvariable('as_of') AS as_of
FROM oracle.credit_figure AS figure
LEFT JOIN (SELECT company_code, customer_id, max(grade) AS credit_grade FROM oracle.figure_grade WHERE NOT firm GROUP BY ALL)
    USING (company_code, customer_id)
LEFT JOIN oracle.credit_group USING (company_code, group_id)
JOIN oracle.credit_action USING (company_code, customer_id);
