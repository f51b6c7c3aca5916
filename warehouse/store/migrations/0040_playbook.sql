-- What else of the playbook holds, beside the action that is taken.
ALTER TABLE rated.next_action ADD COLUMN also VARCHAR;
