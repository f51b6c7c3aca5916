-- What judges a customer's credit, net of unapplied credit and without disputes, beside the figures that are gross.
ALTER TABLE rated.credit_watch ADD COLUMN net_overdue DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN net_overdue_share DECIMAL(18,6);
ALTER TABLE rated.credit_watch ADD COLUMN net_overdue_over_90 DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN net_oldest_overdue_days DECIMAL(18,6);
ALTER TABLE rated.credit_watch ADD COLUMN graded_overdue_share DECIMAL(18,6);
ALTER TABLE rated.credit_watch ADD COLUMN graded_overdue_days DECIMAL(18,6);
ALTER TABLE rated.credit_watch ADD COLUMN to_be_applied DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN disputed_open DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN bills_outstanding DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN written_off_24m DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN limit_rate_on DATE;
ALTER TABLE rated.credit_watch ADD COLUMN secured_amount DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN exposure_unsecured DECIMAL(38,4);
ALTER TABLE rated.credit_watch ADD COLUMN months_known INTEGER;
ALTER TABLE rated.credit_watch ADD COLUMN net_newly_overdue_share DECIMAL(18,6);

-- What else may cap a tier, if the policy says so.
ALTER TABLE rated.customer_value_history ADD COLUMN capped_by_erp_block BOOLEAN;
ALTER TABLE rated.customer_value_history ADD COLUMN capped_by_chronic_lateness BOOLEAN;

-- Up to when undated facts were read for a rated day.
ALTER TABLE rated.credit_watch_day ADD COLUMN seen_until TIMESTAMP;
