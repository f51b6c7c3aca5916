-- Up to which batch it was forgotten, by upkeep, what a source said is gone: an older one that lands yet is told of.
CREATE TABLE ops.forgotten (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,         -- when that batch was extracted
    batch_id VARCHAR NOT NULL
);
