-- Whose rows a corrected mapping changed since the last rating: what differs of them in the latest period is a correction.
CREATE TABLE ops.remapped_customer (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL
);
