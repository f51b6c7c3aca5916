-- Grain: one company that was ever given feedback. Asked from a year after the first on, if five customers or more of those who
-- ever ordered, and one in ten of them, gave some in the 12 months; from two years after it in any case.
CREATE OR REPLACE TABLE oracle.feedback_asked AS
WITH given AS (
    SELECT company_code, customer_id, min(occurred_at::DATE) AS first_on, max(occurred_at::DATE) AS last_on
    FROM seen.interactions
    WHERE is_feedback AND kind <> 'complaint' AND occurred_at::DATE <= getvariable('closed_through')
    GROUP BY ALL
),
buyer AS (
    SELECT company_code, customer_id, coalesce(last_on > getvariable('closed_through') - INTERVAL 1 YEAR, false) AS is_heard
    FROM oracle.customer LEFT JOIN given USING (company_code, customer_id)
    WHERE first_order_on IS NOT NULL
),
counted AS (SELECT company_code, count(*) AS buyers, count(*) FILTER (is_heard) AS heard FROM buyer GROUP BY ALL)
SELECT company_code, min(first_on) + INTERVAL 2 YEARS <= getvariable('closed_through')
    OR (min(first_on) + INTERVAL 1 YEAR <= getvariable('closed_through')
        AND any_value(heard) >= 5 AND any_value(heard) >= 0.1 * any_value(buyers)) AS is_asked
FROM given JOIN counted USING (company_code)
GROUP BY company_code;

-- Grain: one rated customer. n feedbacks in N months: both in the months since the first order.
-- Reading: a complaint, too, is one of its day; days are those of UTC, as the contract's instants are.
CREATE OR REPLACE TABLE oracle.feedback AS
WITH said AS (
    SELECT company_code, customer_id,
        count(DISTINCT (occurred_at::DATE, kind)) FILTER (is_feedback AND kind <> 'complaint' AND age < n) AS feedbacks,
        count(DISTINCT occurred_at::DATE) FILTER (kind = 'complaint') AS complaints
    FROM seen.interactions
    JOIN oracle.complete_month AS complete ON complete.month = date_trunc('month', occurred_at)::DATE
    JOIN oracle.customer USING (company_code, customer_id)
    WHERE age < 12
    GROUP BY ALL
)
SELECT company_code, customer_id,
    CASE WHEN is_asked THEN
        (coalesce(feedbacks, 0) + getvariable('feedback.alpha'))::DOUBLE / (n + getvariable('feedback.beta'))::DOUBLE
    END AS feedback_rate,
    CASE WHEN NOT delivered THEN 'not_delivered' WHEN NOT coalesce(is_asked, false) THEN 'not_yet_asked' WHEN n IS NULL THEN 'no_orders' END AS feedback_reason,
    CASE WHEN delivered THEN coalesce(complaints, 0) END AS complaints_12m
FROM (SELECT *, company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'interactions') AS delivered
      FROM oracle.customer)
LEFT JOIN oracle.feedback_asked USING (company_code)
LEFT JOIN said USING (company_code, customer_id);

-- The latest assessment that is made and not expired at closed_through; its last day counts.
CREATE OR REPLACE TABLE oracle.influence AS
WITH made AS (FROM seen.customer_assessments WHERE assessed_on <= getvariable('closed_through')),
in_force AS (
    SELECT company_code, customer_id, arg_max(influence, assessed_on) AS influence,
        arg_max(assessor, assessed_on) AS influence_assessor, max(assessed_on) AS influence_assessed_on
    FROM made
    WHERE expires_on >= getvariable('closed_through')
    GROUP BY ALL
)
SELECT company_code, customer_id, influence, influence_assessor, influence_assessed_on,
    CASE WHEN influence IS NOT NULL THEN NULL
         WHEN (company_code, customer_id) IN (SELECT (company_code, customer_id) FROM made) THEN 'expired'
         WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'customer_assessments') THEN 'not_assessed'
         ELSE 'not_delivered' END AS influence_reason
FROM oracle.customer
LEFT JOIN in_force USING (company_code, customer_id);
