-- What consumers were told last of each customer, by kind: events are what differs between it and what holds.
CREATE TABLE ops.emitted_state (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,                  -- tier | watch | warning | conduct.<kind>
    told VARCHAR NOT NULL,                  -- the value told last; none: that nothing stands (any more)
    since DATE NOT NULL,                    -- the day from which it holds
    period DATE,                            -- of tier and watch: the rating it was told of
    revision INTEGER,
    event_id VARCHAR NOT NULL,              -- of the event that told it, or silent: it was taken for known
    state_version BIGINT NOT NULL           -- how often this kind was told of this customer
);

-- The days at whose end it was told what differs, and the period that was the latest then.
CREATE TABLE ops.told_day (
    company_code VARCHAR NOT NULL,
    as_of DATE NOT NULL,
    period DATE NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);

-- Seeded from the last event of each kind.
CREATE TEMP TABLE told_last AS
SELECT company_code, customer_id,
    CASE WHEN contains(type, '.tier.changed.') THEN 'tier' WHEN contains(type, '.tier.watch.') THEN 'watch'
         WHEN contains(type, '.credit.warning.') THEN 'warning'
         ELSE 'conduct.' || json_extract_string(body, '$.data.kind') END AS kind,
    max_by(event_id, sequence) AS event_id, max_by(type, sequence) AS type, max_by(body, sequence) AS body, count(*) AS times
FROM ops.outbox
WHERE contains(type, '.tier.') OR contains(type, '.credit.warning.') OR contains(type, '.conduct.')
GROUP BY ALL;

INSERT INTO ops.emitted_state
    (company_code, customer_id, kind, told, since, period, revision, event_id, state_version)
SELECT company_code, customer_id, kind,
    CASE WHEN kind = 'tier' THEN json_extract_string(body, '$.data.to_tier')
         WHEN kind = 'watch' THEN coalesce(json_extract_string(body, '$.data.expected.tier') || ' '
                                           || json_extract_string(body, '$.data.expected.direction'), 'none')
         WHEN contains(type, '.raised.') THEN json_extract_string(body, '$.data.credit_action')
         WHEN contains(type, '.flagged.') THEN json_extract_string(body, '$.data.confidence')
         ELSE 'none' END,
    CAST(json_extract_string(body, '$.data.as_of') AS DATE),
    CASE WHEN kind IN ('tier', 'watch') THEN CAST(json_extract_string(body, '$.data.period') AS DATE) END,
    CASE WHEN kind IN ('tier', 'watch') THEN CAST(json_extract_string(body, '$.data.revision') AS INTEGER) END,
    event_id, times
FROM told_last;

DROP TABLE told_last;

-- Else from what holds now, silently: an upgrade is no news.
CREATE TEMP TABLE holds_now AS
WITH latest AS (
    SELECT company_code, customer_id, max(period) AS period, max_by(revision, (period, revision)) AS revision,
        max_by(effective_tier, (period, revision)) AS effective_tier, max_by(as_of, (period, revision)) AS as_of,
        max_by(coalesce(watch_tier || ' ' || watch_direction, 'none'), (period, revision)) AS expected
    FROM rated.customer_value_history GROUP BY ALL
)
SELECT company_code, customer_id, 'tier' AS kind, effective_tier AS told, as_of AS since, period, revision
FROM latest WHERE effective_tier <> 'prospect'
UNION ALL
SELECT company_code, customer_id, 'watch', expected, as_of, period, revision FROM latest WHERE effective_tier <> 'prospect'
UNION ALL
SELECT company_code, customer_id, 'warning', credit_action, warning_since, NULL, NULL
FROM rated.credit_watch WHERE warning_since IS NOT NULL
UNION ALL
SELECT company_code, customer_id, 'conduct.' || kind, confidence, as_of, NULL, NULL
FROM rated.conduct_finding WHERE confidence IN ('suspected', 'confirmed');

INSERT INTO ops.emitted_state
    (company_code, customer_id, kind, told, since, period, revision, event_id, state_version)
SELECT company_code, customer_id, kind, told, since, period, revision, 'silent', 1
FROM holds_now ANTI JOIN ops.emitted_state USING (company_code, customer_id, kind);

DROP TABLE holds_now;

INSERT INTO ops.told_day (company_code, as_of, period, recorded_at)
SELECT company_code, max(as_of), period, max(recorded_at) FROM rated.customer_value_history GROUP BY company_code, period;

-- A move has a key of its own, since not every one is told.
ALTER TABLE rated.tier_change ALTER COLUMN event_id DROP NOT NULL;
ALTER TABLE rated.reason ADD COLUMN period DATE;
ALTER TABLE rated.reason ADD COLUMN revision INTEGER;
UPDATE rated.reason SET period = move.period, revision = move.revision
FROM rated.tier_change AS move WHERE reason.event_id = move.event_id;

-- The watched day before: where another one came between, what stood on a day is to be found anew.
ALTER TABLE rated.credit_watch_day ADD COLUMN follows DATE;
UPDATE rated.credit_watch_day SET follows = chain.before
FROM (SELECT company_code AS company, as_of AS day, lag(as_of) OVER (PARTITION BY company_code ORDER BY as_of) AS before
      FROM rated.credit_watch_day) AS chain
WHERE company_code = chain.company AND as_of = chain.day;
