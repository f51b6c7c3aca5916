-- Grain: one rated customer. Without memory, credit stop and conduct, which lie over the tier at as_of.
CREATE OR REPLACE TABLE oracle.tier AS
WITH classed AS (
    SELECT company_code, customer_id, months_of_history, score, six(score_coverage) AS score_coverage,
        six(steadiness) AS steadiness, six(feedback_rate) AS feedback_rate, feedback_reason, contribution_12m, cost_estimated_12m, first_order_on,
        CASE WHEN net_sales_12m >= getvariable('segments.volume_high_from') THEN 'high' WHEN net_sales_12m IS NOT NULL THEN 'low' END AS volume_class,
        CASE WHEN six(loyalty) >= getvariable('segments.loyalty_from') THEN 'loyal' WHEN loyalty IS NOT NULL THEN 'not_loyal' END AS loyalty_class
    FROM oracle.customer
    JOIN oracle.volume USING (company_code, customer_id)
    JOIN oracle.score USING (company_code, customer_id)
    JOIN oracle.steadiness USING (company_code, customer_id)
    JOIN oracle.contribution USING (company_code, customer_id)
    JOIN oracle.loyalty USING (company_code, customer_id)
    JOIN oracle.feedback USING (company_code, customer_id)
),
segmented AS (
    SELECT *,
        CASE WHEN EXISTS (FROM seen.heir WHERE (heir.company_code, heir.customer_id) = (classed.company_code, classed.customer_id)) THEN 'succeeded'
             -- Billed by the ledger, of a company that delivers no sales: it ordered, nobody knows how much
             WHEN first_order_on IS NULL AND company_code NOT IN (SELECT company_code FROM oracle.customer_month)
                  AND EXISTS (FROM seen.receivables AS item WHERE (item.company_code, item.customer_id) = (classed.company_code, classed.customer_id)
                      AND item.posting_date <= getvariable('closed_through') AND item.original_amount_company > 0
                      AND item.item_type NOT IN ('deposit', 'advance')) THEN 'unrated'
             -- Nothing was ever ordered
             WHEN first_order_on IS NULL THEN 'prospect'
             WHEN months_of_history < getvariable('segments.new_below_months') THEN 'new'
             WHEN score_coverage < getvariable('segments.coverage_floor') OR volume_class IS NULL OR loyalty_class IS NULL THEN 'unrated'
             WHEN volume_class = 'high' AND loyalty_class = 'loyal' THEN 'core'
             WHEN loyalty_class = 'loyal' THEN 'cultivate'
             WHEN volume_class = 'high' THEN 'speculative'
             ELSE 'marginal' END AS segment
    FROM classed
),
tiered AS (
    SELECT *,
        -- a null never reaches a bar of strategic
        CASE WHEN segment = 'core' AND coalesce(score >= getvariable('strategic.score_from')
                  AND steadiness >= getvariable('strategic.steadiness_from')
                  -- What is not delivered, or for less than a year, or of few, is not asked
                  AND (coalesce(feedback_reason IN ('not_delivered', 'not_yet_asked'), false)
                       OR feedback_rate >= getvariable('strategic.feedback_from')), false) THEN 'strategic'
             ELSE segment END AS ungated_tier
    FROM segmented
),
gated AS (
    SELECT tiered.*,
        -- new and unrated are states, not rungs: who has not been judged is not capped. A loss
        -- that holds with less of the estimated cost, too
        segment NOT IN ('new', 'unrated', 'prospect', 'succeeded') AND mine.rank > bar.rank AND coalesce(contribution_12m < 0
            AND contribution_12m + cost_estimated_12m * (1 - getvariable('gates.loss_at_estimated_cost')) < 0, false) AS is_gated
    FROM tiered
    JOIN oracle.rank AS mine ON mine.tier = ungated_tier
    JOIN oracle.rank AS bar ON bar.tier = getvariable('gates.loss_making')
)
SELECT company_code, customer_id, volume_class, loyalty_class, segment, ungated_tier,
    CASE WHEN is_gated THEN getvariable('gates.loss_making') ELSE ungated_tier END AS raw_tier,
    CASE WHEN is_gated THEN 'loss_making' END AS gate
FROM gated;

-- Grain: one customer that is succeeded, or continues one.
CREATE OR REPLACE TABLE oracle.succession AS
WITH old AS (
    SELECT company_code, customer_id, NULL AS continues, heir AS succeeded_by, valid_from AS succession_on FROM seen.heir
), new AS (
    SELECT company_code, heir AS customer_id, string_agg(customer_id, ', ' ORDER BY customer_id) AS continues,
        NULL AS succeeded_by, max(valid_from) AS succession_on
    FROM seen.heir GROUP BY ALL
)
SELECT company_code, customer_id, continues, succeeded_by, succession_on
FROM oracle.customer LEFT JOIN (FROM old UNION ALL FROM new) USING (company_code, customer_id);
