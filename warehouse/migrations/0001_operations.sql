-- The pipeline's own books. Canonical and rated tables come from the contracts (see migrate.py), not from here.

CREATE TABLE ops.batch (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL,               -- loaded | unchanged | refused | superseded
    sequence BIGINT NOT NULL,
    extracted_at TIMESTAMP NOT NULL,
    fingerprint VARCHAR NOT NULL,           -- of the manifest, the files' sizes and times, and the mapping
    mapping_version VARCHAR NOT NULL,
    supersedes VARCHAR,
    recorded_at TIMESTAMP NOT NULL,
    load_generation BIGINT NOT NULL,
    reason VARCHAR                          -- why it was refused, one line
);

CREATE TABLE ops.batch_resource (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    resource VARCHAR NOT NULL,
    files VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,                -- of the files' hashes, in the manifest's order
    bytes BIGINT NOT NULL,
    mode VARCHAR NOT NULL,
    records BIGINT NOT NULL                 -- that could be split into columns
);

CREATE TABLE ops.batch_table (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    driving_resource VARCHAR NOT NULL,
    derived BOOLEAN NOT NULL,
    mode VARCHAR NOT NULL,
    rows_in BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    excluded BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    inserted BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    row_hash VARCHAR NOT NULL,              -- order-free: the number of rows and the sum of their hashes
    excluded_by VARCHAR                     -- "rule: rows, rule: rows"
);

CREATE TABLE ops.refusal (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    file VARCHAR,
    row_number BIGINT,
    column_name VARCHAR,
    message VARCHAR NOT NULL,
    remedy VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    fingerprint VARCHAR NOT NULL            -- of what was refused: the same again is not tried again
);

-- What a source said is gone before this warehouse ever had it: an older row that lands later must not come alive.
CREATE TABLE ops.tombstone (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    key VARCHAR NOT NULL,                   -- the key's columns as a JSON list
    batch_sequence BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    batch_id VARCHAR NOT NULL
);

CREATE TABLE ops.dirty_cell (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    reaches_back BOOLEAN NOT NULL           -- whether past periods are to be rated again for it
);

-- One row a stage: what it has been brought up to (docs/architecture.md, Generations).
CREATE TABLE ops.generation (
    stage VARCHAR NOT NULL,                 -- load | rating | publication
    generation BIGINT NOT NULL,
    as_of DATE,
    policy_hash VARCHAR,
    recorded_at TIMESTAMP NOT NULL
);

-- Facts outside customer_month that changed since the last rating: from which date on, null where they bear none.
CREATE TABLE ops.dirty_table (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    earliest DATE
);

-- Every policy a rating was ever made under: a correction of an old period uses the policy of that period.
CREATE TABLE ops.policy (
    policy_hash VARCHAR NOT NULL,
    policy_id VARCHAR NOT NULL,
    policy_version VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);

CREATE TABLE ops.outbox (
    event_id VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    type VARCHAR NOT NULL,
    time TIMESTAMP NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    body VARCHAR NOT NULL                   -- the CloudEvent as sent, byte for byte
);

CREATE TABLE quarantine.row (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    row_number BIGINT NOT NULL,
    staged JSON,                            -- the row as the source's SQL gave it, null where it never got that far
    raw JSON,                               -- the driving row as text, by the file's own columns
    recorded_at TIMESTAMP NOT NULL
);

CREATE TABLE quarantine.reason (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    row_number BIGINT NOT NULL,
    rule VARCHAR NOT NULL,
    column_name VARCHAR,
    raw_value VARCHAR,
    message VARCHAR NOT NULL
);
