-- The field's terms: what decides a tier is its basis, what the next one asks for the gap to the target.
ALTER TABLE rated.explanation RENAME COLUMN held_by TO tier_basis;
UPDATE rated.reason SET about = 'explanation.tier_basis' WHERE about = 'explanation.held_by';
UPDATE rated.reason SET code = 'target_gap' WHERE code = 'wish_more';
UPDATE rated.reason SET code = 'target_bar' WHERE code = 'wish_bar';
