-- Speculative has the rank of marginal and is of another kind: a customer moves between them by a run of its own.
ALTER TABLE rated.customer_value_history ADD COLUMN periods_lateral INTEGER;
