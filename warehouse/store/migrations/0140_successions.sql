-- Which customer number continues another one.
CREATE TABLE erp.customer_successions (
    company_code VARCHAR NOT NULL,
    old_customer_id VARCHAR NOT NULL,
    new_customer_id VARCHAR NOT NULL,
    valid_from DATE NOT NULL,
    share DECIMAL(9,6),
    reason VARCHAR,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    available_on DATE NOT NULL,
    deleted_by VARCHAR,
    source_document VARCHAR
);
-- What a rating row says of it; the columns of the history and of the current ratings.
ALTER TABLE rated.customer_value_history ADD COLUMN continues VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN succeeded_by VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN succession_on DATE;
-- Who stands for whom on the day that is rated.
CREATE TABLE rated.customer_succession (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    successor_id VARCHAR NOT NULL,
    share DECIMAL(9,6) NOT NULL,
    succession_on DATE NOT NULL
);
