-- An event that is meant for one sink alone; null: for every one.
ALTER TABLE ops.outbox ADD COLUMN sink VARCHAR;

-- The numbers that consumers may have seen though the outbox does not hold them, since the warehouse was restored: a customer's
-- sequence goes on above. Without a customer: of all who have none of their own.
CREATE TABLE ops.sequence_floor (
    company_code VARCHAR,
    customer_id VARCHAR,
    sequence BIGINT NOT NULL
);
