-- Scores. Grain: one rated customer and measure, in the order of the seven. A score is read off the figure as it
-- is stored, so that a person who looks at both finds the one from the other.
CREATE OR REPLACE TABLE oracle.measure AS
SELECT company_code, customer_id, unnest([
    {'place': 1, 'measure': 'volume', 'value': net_sales_12m::DECIMAL(38, 6), 'reason': volume_reason},
    {'place': 2, 'measure': 'steadiness', 'value': six(steadiness), 'reason': steadiness_reason},
    {'place': 3, 'measure': 'contribution', 'value': contribution_12m::DECIMAL(38, 6), 'reason': contribution_reason},
    {'place': 4, 'measure': 'loyalty', 'value': six(loyalty), 'reason': loyalty_reason},
    {'place': 5, 'measure': 'feedback', 'value': six(feedback_rate), 'reason': feedback_reason},
    {'place': 6, 'measure': 'influence', 'value': influence::DECIMAL(38, 6), 'reason': influence_reason},
    {'place': 7, 'measure': 'potential', 'value': headroom_12m::DECIMAL(38, 6), 'reason': headroom_reason}], recursive := true)
FROM oracle.volume
JOIN oracle.steadiness USING (company_code, customer_id)
JOIN oracle.contribution USING (company_code, customer_id)
JOIN oracle.loyalty USING (company_code, customer_id)
JOIN oracle.feedback USING (company_code, customer_id)
JOIN oracle.influence USING (company_code, customer_id)
JOIN oracle.potential USING (company_code, customer_id);

-- Linear between two breakpoints, flat beyond the ends; rounded once, to 4 places.
CREATE OR REPLACE TABLE oracle.measure_score AS
WITH stretch AS (
    SELECT measure, value AS from_value, score AS from_score,
        lead(value) OVER along AS to_value, lead(score) OVER along AS to_score,
        row_number() OVER along = 1 AS is_first
    FROM oracle.breakpoint
    WINDOW along AS (PARTITION BY measure ORDER BY value)
)
SELECT company_code, customer_id, place, measure.measure, measure.value, reason, weight,
    CASE WHEN measure.value IS NULL THEN NULL
         WHEN measure.value <= from_value OR to_value IS NULL THEN units4(from_score)
         ELSE half_even(units4(from_score) * (units6(to_value) - units6(from_value))
                        + units4(to_score - from_score) * (units6(measure.value) - units6(from_value)),
                        units6(to_value) - units6(from_value)) END AS score_units
FROM oracle.measure
JOIN oracle.weight USING (measure)
JOIN stretch ON stretch.measure = measure.measure
    AND (is_first OR measure.value >= from_value)
    AND (to_value IS NULL OR measure.value < to_value OR (is_first AND measure.value IS NULL));

-- Grain: one rated customer. score = Σ w·s ÷ Σ w over the assessed; coverage = Σ w assessed ÷ Σ w.
CREATE OR REPLACE TABLE oracle.score AS
SELECT company_code, customer_id,
    from_units4(half_even(sum(units6(weight) * score_units), sum(units6(weight)) FILTER (score_units IS NOT NULL))) AS score,
    coalesce(sum(weight) FILTER (score_units IS NOT NULL), 0)::DOUBLE / sum(weight)::DOUBLE AS score_coverage,
    string_agg(measure || ': ' || reason, ', ' ORDER BY place) FILTER (reason IS NOT NULL) AS unassessed
FROM oracle.measure_score
GROUP BY ALL;

-- Grain: one rated customer; a column a measure, its score and w·s ÷ Σ w, which is what it gives to the score.
CREATE OR REPLACE TABLE oracle.points AS
PIVOT (
    SELECT company_code, customer_id, measure, from_units4(score_units) AS score,
        units6(weight)::DOUBLE * score_units::DOUBLE / 10000
            / nullif(sum(units6(weight)) FILTER (score_units IS NOT NULL) OVER (PARTITION BY company_code, customer_id), 0)::DOUBLE AS points
    FROM oracle.measure_score
) ON measure IN ('volume', 'steadiness', 'contribution', 'loyalty', 'feedback', 'influence', 'potential')
USING any_value(score) AS score, any_value(points) AS points;
