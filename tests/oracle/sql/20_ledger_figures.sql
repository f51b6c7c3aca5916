-- Grain of the tables: one customer with an item posted by as_of. Due today is not past due.
CREATE OR REPLACE TABLE oracle.credit_ledger AS FROM oracle.ledger WHERE on_day = getvariable('as_of');
CREATE OR REPLACE TABLE oracle.credit_part AS FROM oracle.part WHERE on_day = getvariable('as_of');

-- What judges counts once undisputed and net; `firm` leaves out disputes that no longer count as any.
CREATE OR REPLACE TABLE oracle.ageing AS
SELECT company_code, customer_id,
    sum(open_amount) AS open_balance,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due <= 0), 0) AS not_yet_due,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 1 AND 30), 0) AS overdue_1_30,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 31 AND 60), 0) AS overdue_31_60,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 61 AND 90), 0) AS overdue_61_90,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due > 90), 0) AS overdue_over_90,
    coalesce(sum(open_amount) FILTER (open_amount < 0), 0) AS unapplied_credit,
    coalesce(sum(open_amount) FILTER (open_amount < 0 AND item_type = 'deposit'), 0) AS deposits,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND is_contested), 0) AS disputed,
    coalesce(sum(open_amount) FILTER (open_amount > 0), 0) AS owed,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due > 0), 0) AS overdue,
    coalesce(max(days_past_due) FILTER (open_amount > 0 AND days_past_due > 0), 0) AS oldest_overdue_days,
    sum(net_open) AS net_owed,
    coalesce(sum(net_open) FILTER (days_past_due <= 0), 0) AS net_not_yet_due,
    coalesce(sum(net_open) FILTER (days_past_due > 0), 0) AS net_overdue,
    coalesce(sum(net_open) FILTER (days_past_due BETWEEN 1 AND 30), 0) AS net_overdue_1_30,
    coalesce(sum(net_open) FILTER (days_past_due > 90), 0) AS net_overdue_over_90,
    coalesce(max(days_past_due) FILTER (net_open > 0 AND days_past_due > 0), 0) AS net_oldest_overdue_days,
    sum(net_dispute) AS disputed_open,
    coalesce(sum(open_amount) FILTER (open_amount > 0), 0) - sum(net_open) - sum(net_dispute) AS to_be_applied,
    coalesce(sum(net_open) FILTER (days_past_due BETWEEN 1 AND 30 AND days_past_due > getvariable('credit.grace_days')), 0) AS newly_past_grace,
    min(posting_date) AS first_posted
FROM oracle.credit_ledger
GROUP BY ALL;

-- Sales of the 12 months that were closed on as_of, as of a whole year for whoever is younger.
CREATE OR REPLACE TABLE oracle.yearly_sales AS
WITH period AS (SELECT (date_trunc('month', getvariable('as_of')::DATE + 1) - INTERVAL 1 MONTH)::DATE AS last_month),
sold AS (
    SELECT company_code, customer_id, min(month) AS first_month,
        coalesce(sum(net_sales) FILTER (month >= last_month - INTERVAL 11 MONTH), 0) AS net_sales,
        least(datediff('month', min(month), any_value(last_month)) + 1, 12) AS months
    FROM oracle.customer_month CROSS JOIN period
    WHERE month <= last_month
    GROUP BY ALL
)
SELECT company_code, customer_id, first_month,
    from_units4(half_even(units4(net_sales) * 12, months::HUGEINT))::DECIMAL(38, 4) AS yearly_sales
FROM sold;

-- An amount counts if it reaches three bars: `times` as much of it does, and of the two shares `share_times` that.
CREATE OR REPLACE MACRO counts(amount, whole, sales, times, share_times) AS
    coalesce(amount > 0
        AND amount * times >= getvariable('credit.material_amount')
        AND amount * times * share_times >= whole * getvariable('credit.material_share')
        AND amount * times * share_times >= greatest(coalesce(sales, 0), 0) * getvariable('credit.material_sales_share'), false);

-- Grain: customer × whether disputes that do not count any more are left out (firm).
CREATE OR REPLACE TABLE oracle.overdue AS
WITH item AS (
    SELECT ledger.*, firm FROM oracle.credit_ledger AS ledger
    JOIN (VALUES (false), (true)) AS view (firm) ON NOT (firm AND is_stale)
),
total AS (
    SELECT company_code, customer_id, firm, sum(net_open) AS net_owed,
        coalesce(sum(net_open) FILTER (days_past_due > getvariable('credit.grace_days')), 0) AS past_grace,
        coalesce(sum(net_open) FILTER (days_past_due > getvariable('credit.severe_days')), 0) AS severe,
        coalesce(sum(net_open) FILTER (days_past_due > 2 * getvariable('credit.severe_days')), 0) AS severe_long
    FROM item
    GROUP BY ALL
),
by_age AS (
    SELECT company_code, customer_id, firm, days_past_due, sum(net_open) AS net_open
    FROM item
    WHERE net_open > 0 AND days_past_due > getvariable('credit.grace_days')
    GROUP BY ALL
),
late AS (
    SELECT *, sum(net_open) OVER (PARTITION BY company_code, customer_id, firm ORDER BY days_past_due DESC) AS so_far FROM by_age
),
weighed AS (
    SELECT *, counts(so_far, net_owed, yearly_sales, 1, 1) AS does_count
    FROM late
    JOIN total USING (company_code, customer_id, firm)
    LEFT JOIN oracle.yearly_sales USING (company_code, customer_id)
),
-- the days from which on what is late counts together with all that is older; the oldest where all of it does not
since AS (
    SELECT company_code, customer_id, firm, coalesce(max(days_past_due) FILTER (does_count), max(days_past_due)) AS days
    FROM weighed
    GROUP BY ALL
)
SELECT total.*, yearly_sales,
    CASE WHEN net_owed > 0 THEN past_grace::DOUBLE / net_owed::DOUBLE END AS graded_overdue_share,
    CASE WHEN net_owed > 0 THEN coalesce(days, 0) END AS graded_overdue_days,
    counts(severe, net_owed, yearly_sales, 1, 1)
        OR (getvariable('credit.severe_amount') > 0 AND severe >= getvariable('credit.severe_amount'))
        OR counts(severe_long, net_owed, yearly_sales, 1, 2) AS is_severe,
    counts(past_grace, net_owed, yearly_sales, 1, 1) AS now_counts,
    -- far below the bars no grade is worse than B, below them none worse than C
    CASE WHEN counts(past_grace, net_owed, yearly_sales, 1, 1) THEN 'E'
         WHEN counts(past_grace, net_owed, yearly_sales, 2, 1) THEN 'C' ELSE 'B' END AS worst_grade
FROM total
LEFT JOIN since USING (company_code, customer_id, firm)
LEFT JOIN oracle.yearly_sales USING (company_code, customer_id);

-- Days late weighted by the parts: what was paid in the 12 months to as_of, and open rests past due, net, which belong to the
-- last three months. Early is 0 late, and negative beyond terms.
CREATE OR REPLACE TABLE oracle.lateness AS
WITH counted AS (
    SELECT company_code, customer_id, part AS amount, settled_on - late_from AS days,
        settled_on > getvariable('as_of') - INTERVAL 3 MONTH AS is_recent, true AS is_paid
    FROM oracle.credit_part
    WHERE is_payment AND is_late_counted AND part > 0 AND settled_on > getvariable('as_of') - INTERVAL 12 MONTH
    UNION ALL
    SELECT company_code, customer_id, net_open, getvariable('as_of') - late_from, true, false
    FROM oracle.credit_ledger
    WHERE is_late_counted AND net_open > 0 AND late_from < getvariable('as_of')
)
SELECT company_code, customer_id,
    sum(amount) AS counted_amount,
    coalesce(sum(amount) FILTER (days > 0), 0) AS late_amount,
    sum(amount * greatest(days, 0))::DOUBLE / sum(amount)::DOUBLE AS days_late_12m,
    sum(amount * days)::DOUBLE / sum(amount)::DOUBLE AS days_beyond_terms_12m,
    (sum(amount * greatest(days, 0)) FILTER (is_recent))::DOUBLE / (sum(amount) FILTER (is_recent))::DOUBLE
      - (sum(amount * greatest(days, 0)) FILTER (NOT is_recent))::DOUBLE / (sum(amount) FILTER (NOT is_recent))::DOUBLE AS days_late_trend,
    -- the same without open rests
    (sum(amount * greatest(days, 0)) FILTER (is_recent AND is_paid))::DOUBLE / (sum(amount) FILTER (is_recent AND is_paid))::DOUBLE
      - (sum(amount * greatest(days, 0)) FILTER (NOT is_recent))::DOUBLE / (sum(amount) FILTER (NOT is_recent))::DOUBLE AS paid_late_trend
FROM counted
GROUP BY ALL;

-- The day on which 98 % of an item was there: paid, of what nothing else settled; or settled by whatever it was.
CREATE OR REPLACE MACRO oracle.reached(payments_only) AS TABLE
WITH part AS (
    SELECT *, original - coalesce(sum(matched) FILTER (payments_only AND NOT is_payment) OVER (PARTITION BY company_code, item_id), 0) AS due
    FROM oracle.credit_part
),
by_day AS (
    SELECT company_code, customer_id, item_id, late_from, is_late_counted, settled_on, due, sum(matched) AS matched
    FROM part
    WHERE is_payment OR NOT payments_only
    GROUP BY ALL
),
so_far AS (
    SELECT *, sum(matched) OVER (PARTITION BY company_code, item_id ORDER BY settled_on) AS paid FROM by_day
)
SELECT company_code, customer_id, item_id, late_from, is_late_counted, min(settled_on) AS paid_on
FROM so_far
WHERE paid * 100 >= due * 98
GROUP BY ALL;

-- A customer's habit: the fewest days late that at least 90 % of its items paid in the 12 months to as_of do not exceed, item by
-- item whatever its amount; early is 0 late.
CREATE OR REPLACE TABLE oracle.habit AS
WITH settled AS (
    SELECT company_code, customer_id, greatest(paid_on - late_from, 0) AS days
    FROM oracle.reached(true)
    WHERE is_late_counted AND paid_on > getvariable('as_of') - INTERVAL 12 MONTH
),
no_later AS (
    SELECT one.company_code, one.customer_id, one.days,
        count(*) FILTER (other.days <= one.days) AS items, count(*) AS of_items
    FROM (SELECT DISTINCT company_code, customer_id, days FROM settled) AS one
    JOIN settled AS other USING (company_code, customer_id)
    GROUP BY ALL
)
SELECT company_code, customer_id, min(days) AS days_late_p90_12m
FROM no_later
WHERE items * 10 >= of_items * 9 AND of_items >= getvariable('credit.habit_min_items')
GROUP BY ALL;

-- Counting back: what is owed (net, undisputed) is what the latest sales are still owed for. Whole months as long as more is owed
-- than was billed since, then a share of one; a month without billing counts whole, the running one its days so far. Billed
-- are the items of more than 0, by posting month, less what was credited, returned, cancelled or written off of them.
CREATE OR REPLACE TABLE oracle.count_back AS
WITH owing AS (
    SELECT company_code, customer_id, unnest([
        {'figure': 'dso', 'amount': net_owed}, {'figure': 'best', 'amount': net_not_yet_due}], recursive := true)
    FROM oracle.ageing
),
taken_back AS (
    SELECT company_code, item_id, sum(part) AS taken_back FROM oracle.credit_part WHERE NOT is_payment GROUP BY ALL
),
billed AS (
    SELECT company_code, customer_id, date_trunc('month', posting_date)::DATE AS month, sum(amount - coalesce(taken_back, 0)) AS billed
    FROM oracle.credit_ledger
    LEFT JOIN taken_back USING (company_code, item_id)
    WHERE amount > 0
    GROUP BY ALL
),
back AS (
    SELECT *,
        sum(billed) OVER (PARTITION BY company_code, customer_id ORDER BY month DESC) AS since,
        least(last_day(month), getvariable('as_of')) AS last_day
    FROM billed
),
-- the month in which the amount is used up, and the days after it
used_up AS (
    SELECT company_code, customer_id, figure,
        (getvariable('as_of') - last_day)
        + (amount - (since - billed))::DOUBLE / billed::DOUBLE * (last_day - month + 1) AS days
    FROM owing
    JOIN back USING (company_code, customer_id)
    WHERE amount > since - billed AND amount <= since
),
answer AS (
    SELECT company_code, customer_id, figure, CASE WHEN amount = 0 THEN 0 ELSE days END AS days
    FROM owing
    LEFT JOIN used_up USING (company_code, customer_id, figure)
    WHERE (company_code, customer_id) IN (SELECT (company_code, customer_id) FROM billed)
)
SELECT company_code, customer_id,
    any_value(days) FILTER (figure = 'dso') AS dso_countback, any_value(days) FILTER (figure = 'best') AS best_possible_dso
FROM answer
GROUP BY ALL;

-- Collection effectiveness index of the last three months: (O + B − C − K) ÷ (O + B − C − Kc). Reading: items in dispute at the end
-- are left out of all; C is what was settled otherwise than by payment within the months.
CREATE OR REPLACE TABLE oracle.collected AS
WITH opening AS (
    SELECT company_code, item_id, net_open + net_dispute AS opening
    FROM oracle.ledger
    WHERE on_day = (getvariable('as_of')::DATE - INTERVAL 3 MONTH)::DATE
),
credited AS (
    SELECT company_code, item_id, sum(part) AS credited
    FROM oracle.credit_part
    WHERE NOT is_payment AND settled_on > getvariable('as_of') - INTERVAL 3 MONTH
    GROUP BY ALL
),
summed AS (
    SELECT company_code, customer_id,
        coalesce(sum(opening), 0) + coalesce(sum(amount) FILTER (posting_date > getvariable('as_of') - INTERVAL 3 MONTH), 0)
            - coalesce(sum(credited), 0) AS collectable,
        sum(net_open) AS closing, coalesce(sum(net_open) FILTER (days_past_due <= 0), 0) AS closing_current
    FROM oracle.credit_ledger
    LEFT JOIN opening USING (company_code, item_id)
    LEFT JOIN credited USING (company_code, item_id)
    WHERE amount > 0 AND net_dispute = 0
    GROUP BY ALL
)
SELECT company_code, customer_id,
    CASE WHEN collectable > closing_current
         THEN (collectable - closing)::DOUBLE / (collectable - closing_current)::DOUBLE END AS collection_effectiveness
FROM summed;

-- Broken promises: items whose promised day lies in the 12 months to as_of and is over, settled later or open, net. Reading: a day
-- of grace, the promised one; no promise at all in the company means that none are delivered.
CREATE OR REPLACE TABLE oracle.promise AS
SELECT company_code, customer_id, count(*) AS broken_promises, sum(amount) AS broken_amount
FROM oracle.credit_ledger
LEFT JOIN (SELECT company_code, item_id, paid_on FROM oracle.reached(false)) USING (company_code, item_id)
WHERE amount > 0
  AND promised_on < getvariable('as_of')
  AND promised_on > getvariable('as_of') - INTERVAL 12 MONTH
  AND CASE WHEN paid_on IS NULL THEN net_open + net_dispute > 0 ELSE paid_on > promised_on END
GROUP BY ALL;

-- What was settled by a bill that is not due yet, and what was written off.
CREATE OR REPLACE TABLE oracle.otherwise AS
SELECT company_code, customer_id,
    coalesce(sum(part) FILTER (bill_until > getvariable('as_of')), 0) AS bills_outstanding,
    coalesce(sum(part) FILTER (kind = 'write_off' AND settled_on > getvariable('as_of') - INTERVAL 24 MONTH), 0) AS written_off_24m,
    coalesce(sum(item_amount) FILTER (kind = 'write_off' AND settled_on > getvariable('as_of') - INTERVAL 24 MONTH), 0) AS written_off_of
FROM oracle.credit_part
GROUP BY ALL;
