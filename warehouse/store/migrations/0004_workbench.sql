-- Windows that a batch replaced, and correction batches of mended rows.

-- Both null unless the mode is window_replace.
ALTER TABLE ops.batch_table ADD COLUMN window_from DATE;
ALTER TABLE ops.batch_table ADD COLUMN window_to DATE;

-- The batch whose quarantined rows this one brings, mended.
ALTER TABLE ops.batch ADD COLUMN corrects VARCHAR;

-- The correction batch that brought the row again; null while nobody did.
ALTER TABLE quarantine.row ADD COLUMN released_by VARCHAR;
