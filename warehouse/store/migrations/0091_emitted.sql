-- One word for what went out to consumers: emitted.
ALTER TABLE ops.emitted_state RENAME COLUMN told TO emitted;
ALTER TABLE ops.told_day RENAME TO emitted_day;
