-- What was done about a customer.
CREATE TABLE erp.actions (
    company_code VARCHAR NOT NULL,
    action_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    action_done VARCHAR NOT NULL,
    done_on DATE NOT NULL,
    remark VARCHAR,
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
