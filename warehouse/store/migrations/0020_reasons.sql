-- Reasons as codes and figures, beside the texts that say them.

CREATE TABLE rated.reason (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    kind VARCHAR,
    event_id VARCHAR,
    place INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    subject VARCHAR,
    label VARCHAR,
    "value" DECIMAL(38,6),
    bar DECIMAL(38,6),
    clears_at DECIMAL(38,6),
    amount DECIMAL(38,4),
    counted INTEGER,
    out_of INTEGER,
    "day" DATE,
    "name" VARCHAR,
    remark VARCHAR
);

-- What set a cap, and what a warning stood on, was a text of codes up to here, and what follows was decided by searching it.
ALTER TABLE rated.customer_value_history ADD COLUMN capped_by_confirmed_conduct BOOLEAN;
ALTER TABLE rated.customer_value_history ADD COLUMN capped_by_credit_stop BOOLEAN;
UPDATE rated.customer_value_history
SET capped_by_confirmed_conduct = contains(cap_reason, 'confirmed_conduct'),
    capped_by_credit_stop = contains(cap_reason, 'credit_stop')
WHERE cap_reason IS NOT NULL;

ALTER TABLE rated.credit_warning_day ADD COLUMN causes VARCHAR[];
UPDATE rated.credit_warning_day SET causes = string_split(warning_causes, ', ') WHERE warning_causes IS NOT NULL;
