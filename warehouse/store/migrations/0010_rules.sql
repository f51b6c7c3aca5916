-- By which rules figures were computed (null: before that was kept, which was version 1), why a revision was written where
-- its cause says too little, and whose facts changed (null: it cannot be told, so everybody's).
ALTER TABLE ops.generation ADD COLUMN rules_version INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN rules_version INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN cause_reason VARCHAR;
ALTER TABLE ops.dirty_table ADD COLUMN customer_id VARCHAR;
