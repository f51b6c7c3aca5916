-- What was planned to be sold.
CREATE TABLE erp.plans (
    company_code VARCHAR NOT NULL,
    plan_id VARCHAR NOT NULL,
    plan_version VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    member VARCHAR,
    period_start DATE NOT NULL,
    period_end DATE NOT NULL,
    planned_net_sales DECIMAL(18,4) NOT NULL,
    planned_on DATE NOT NULL,
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
