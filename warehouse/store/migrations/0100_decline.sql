-- Who buys less, since when, and what is at stake.
ALTER TABLE rated.customer_value_history ADD COLUMN days_since_last_order INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN net_sales_12m_before DECIMAL(38,4);
ALTER TABLE rated.customer_value_history ADD COLUMN pace_ratio DECIMAL(18,6);
ALTER TABLE rated.customer_value_history ADD COLUMN pace_basis VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN pace_months INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN gap_multiple DECIMAL(18,6);
ALTER TABLE rated.customer_value_history ADD COLUMN decline_state VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN decline_since DATE;
ALTER TABLE rated.customer_value_history ADD COLUMN decline_low_periods INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN decline_calm_periods INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN decline_stake DECIMAL(38,4);
ALTER TABLE rated.customer_value_history ADD COLUMN decline_reason VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN is_growing BOOLEAN;
