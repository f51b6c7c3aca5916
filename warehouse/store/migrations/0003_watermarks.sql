-- How far each resource of a source has been read from its ERP's database, as the loaded batches say. Written in the
-- transaction that loads the rows: the next pull begins there, less the lag.
CREATE TABLE ops.watermark (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    resource VARCHAR NOT NULL,
    watermark TIMESTAMP NOT NULL,           -- on the ERP's own clock, as its rows are stamped
    batch_sequence BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    batch_id VARCHAR NOT NULL
);
