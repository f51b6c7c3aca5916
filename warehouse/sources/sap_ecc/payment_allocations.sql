-- Grain: what a credit of the customer ledger took off an item on a day, and in a row of its own what it was used up by that,
-- each with its item's sign. A residual item says what was paid of its original when that was cleared. What settles nothing is left out by name.
SELECT
    item_id AS payment_id,
    coalesce(root_id, item_id) AS item_id,
    coalesce(applied_on, BUDAT) AS allocated_on,
    named_direction * applied AS amount,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN role IS NULL THEN 'settles_no_item'
        WHEN role NOT IN ('allocation', 'residual') THEN role
        WHEN applied = 0 THEN 'nothing_left_to_settle'
    END AS _excluded
FROM ledger_item
UNION ALL
SELECT item_id, item_id, applied_on, direction * applied, _file, _row, NULL
FROM ledger_item
WHERE role = 'allocation' AND applied <> 0
