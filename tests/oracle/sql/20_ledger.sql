-- DOMAIN 5, DECISIONS 8. Grain: one item posted by a day, as it stood at its end: what of it was open, in company currency,
-- and when it was settled: on its cleared date, or with the allocation that left nothing open.
-- Reading: the cleared date is the ledger's own word and wins over allocations. What was allocated beyond an item leaves
-- it open as a credit. The open share of a foreign item takes the same share of the company amount, rounded to 4 places.
CREATE OR REPLACE MACRO oracle.ledger_on(on_day) AS TABLE
WITH allocated AS (
    SELECT company_code, item_id, sum(amount) AS amount, max(allocated_on) AS last_on
    FROM seen.payment_allocations
    WHERE allocated_on <= on_day
    GROUP BY ALL
),
item AS (
    SELECT item.* EXCLUDE (is_disputed), coalesce(item.is_disputed, false) AS is_disputed,
        original_amount - coalesce(allocated.amount, 0) AS left_open,
        coalesce(cleared_date <= on_day, false) AS is_cleared,
        last_on
    FROM seen.receivables AS item
    LEFT JOIN allocated USING (company_code, item_id)
    WHERE posting_date <= on_day
)
SELECT company_code, customer_id, item_id, posting_date, due_date, is_disputed, promised_on,
    original_amount_company::DECIMAL(38, 4) AS amount,
    (CASE WHEN is_cleared THEN 0
         WHEN currency = company_currency THEN left_open
         ELSE from_units4(coalesce(half_even(
            units4(original_amount_company) * units4(left_open) * sign(original_amount)::INTEGER, units4(abs(original_amount))), 0))
    END)::DECIMAL(38, 4) AS open_amount,
    CASE WHEN is_cleared THEN cleared_date WHEN left_open = 0 THEN last_on END AS settled_on,
    (on_day - due_date)::INTEGER AS days_past_due
FROM item;

CREATE OR REPLACE TABLE oracle.credit_item AS FROM oracle.ledger_on(getvariable('as_of'));

-- Grain: one customer with an item posted by as_of. Due today is not past due.
CREATE OR REPLACE TABLE oracle.ageing AS
SELECT company_code, customer_id,
    sum(open_amount) AS open_balance,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due <= 0), 0) AS not_yet_due,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 1 AND 30), 0) AS overdue_1_30,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 31 AND 60), 0) AS overdue_31_60,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 61 AND 90), 0) AS overdue_61_90,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due > 90), 0) AS overdue_over_90,
    coalesce(sum(open_amount) FILTER (open_amount < 0), 0) AS unapplied_credit,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND is_disputed), 0) AS disputed,
    coalesce(sum(open_amount) FILTER (open_amount > 0), 0) AS owed,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due > 0), 0) AS overdue,
    coalesce(max(days_past_due) FILTER (open_amount > 0 AND days_past_due > 0), 0) AS oldest_overdue_days,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due > getvariable('credit.severe_days')), 0) AS severe,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due > getvariable('credit.grace_days')), 0) AS past_grace,
    coalesce(sum(open_amount) FILTER (open_amount > 0 AND days_past_due BETWEEN 1 AND 30
        AND days_past_due > getvariable('credit.grace_days')), 0) AS newly_past_grace
FROM oracle.credit_item
GROUP BY ALL;

-- Days late weighted by the items' amounts, of more than 0: those settled in the 12 months to as_of, and open overdue ones
-- up to as_of, which belong to the last three months. Early is 0 late, and negative beyond terms (DECISIONS 8).
CREATE OR REPLACE TABLE oracle.lateness AS
WITH counted AS (
    SELECT company_code, customer_id, amount,
        coalesce(settled_on - due_date, days_past_due) AS days,
        coalesce(settled_on > getvariable('as_of') - INTERVAL 3 MONTH, true) AS is_recent
    FROM oracle.credit_item
    WHERE amount > 0
      AND CASE WHEN settled_on IS NULL THEN open_amount > 0 AND days_past_due > 0
               ELSE settled_on > getvariable('as_of') - INTERVAL 12 MONTH END
)
SELECT company_code, customer_id,
    sum(amount) AS counted_amount,
    coalesce(sum(amount) FILTER (days > 0), 0) AS late_amount,
    sum(amount * greatest(days, 0))::DOUBLE / sum(amount)::DOUBLE AS days_late_12m,
    sum(amount * days)::DOUBLE / sum(amount)::DOUBLE AS days_beyond_terms_12m,
    (sum(amount * greatest(days, 0)) FILTER (is_recent))::DOUBLE / (sum(amount) FILTER (is_recent))::DOUBLE
      - (sum(amount * greatest(days, 0)) FILTER (NOT is_recent))::DOUBLE / (sum(amount) FILTER (NOT is_recent))::DOUBLE AS days_late_trend
FROM counted
GROUP BY ALL;

-- A customer's habit: the fewest days late that at least 90 % of its items of more than 0, settled in the 12 months to as_of,
-- do not exceed, item by item whatever its amount; early is 0 late. Reading: an item still open is no habit yet.
CREATE OR REPLACE TABLE oracle.habit AS
WITH settled AS (
    SELECT company_code, customer_id, greatest(settled_on - due_date, 0) AS days
    FROM oracle.credit_item
    WHERE amount > 0 AND settled_on > getvariable('as_of') - INTERVAL 12 MONTH
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

-- Counting back: what is owed is what the latest sales are still owed for. Whole months as long as more is owed than was
-- billed since, then a share of one; a month without billing counts whole, the running one its days so far.
-- Reading: the sales are those billed to the ledger (items of more than 0, by posting month), tax included, as what is
-- owed includes it; what is owed are the open items of more than 0.
CREATE OR REPLACE TABLE oracle.count_back AS
WITH owing AS (
    SELECT company_code, customer_id, unnest([
        {'figure': 'dso', 'amount': owed}, {'figure': 'best', 'amount': not_yet_due}], recursive := true)
    FROM oracle.ageing
),
billed AS (
    SELECT company_code, customer_id, date_trunc('month', posting_date)::DATE AS month, sum(amount) AS billed
    FROM oracle.credit_item
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

-- Collection effectiveness index. Reading: of the last three months, on items of more than 0:
-- (opening + billed − closing) ÷ (opening + billed − closing not yet due).
CREATE OR REPLACE TABLE oracle.collected AS
WITH opening AS (
    SELECT company_code, customer_id, sum(open_amount) FILTER (open_amount > 0) AS opening
    FROM oracle.ledger_on((getvariable('as_of') - INTERVAL 3 MONTH)::DATE)
    GROUP BY ALL
),
billed AS (
    SELECT company_code, customer_id, sum(amount) AS billed
    FROM oracle.credit_item
    WHERE amount > 0 AND posting_date > getvariable('as_of') - INTERVAL 3 MONTH
    GROUP BY ALL
),
collectable AS (
    SELECT company_code, customer_id, owed, not_yet_due, coalesce(opening, 0) + coalesce(billed, 0) AS amount
    FROM oracle.ageing
    LEFT JOIN opening USING (company_code, customer_id)
    LEFT JOIN billed USING (company_code, customer_id)
)
SELECT company_code, customer_id,
    CASE WHEN amount > not_yet_due THEN (amount - owed)::DOUBLE / (amount - not_yet_due)::DOUBLE END AS collection_effectiveness
FROM collectable;

-- Broken promises: items whose promised day lies in the 12 months to as_of and is over, settled later or open. Reading: a day
-- of grace, the promised one; no promise at all in the company means that none are delivered.
CREATE OR REPLACE TABLE oracle.promise AS
SELECT company_code, customer_id, count(*) AS broken_promises, sum(amount) AS broken_amount
FROM oracle.credit_item
WHERE amount > 0
  AND promised_on < getvariable('as_of')
  AND promised_on > getvariable('as_of') - INTERVAL 12 MONTH
  AND CASE WHEN settled_on IS NULL THEN open_amount > 0 ELSE settled_on > promised_on END
GROUP BY ALL;
