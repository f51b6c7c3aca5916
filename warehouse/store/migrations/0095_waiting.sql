-- Rows that wait in quarantine for a record they are made of, apart from those with a fault of their own; null, as none, in
-- batches that were loaded before they were counted so.
ALTER TABLE ops.batch_table ADD COLUMN waiting BIGINT;
