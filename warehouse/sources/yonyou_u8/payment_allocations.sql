-- Grain: what one document took off another on a day; entries of the same two on one day are summed. A match is written for
-- both its documents: the receipt against the invoice, and the receipt against itself.
SELECT
    voucher_item AS payment_id,
    item_id,
    registered_on AS allocated_on,
    0 - sum(amount) OVER pair AS amount,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN role <> 'settlement' THEN 'the_item_itself'
        WHEN row_number() OVER (PARTITION BY role, voucher_item, item_id, registered_on ORDER BY entry_id) > 1
            THEN 'summed_into_its_pair'
    END AS _excluded
FROM ledger_entry
WINDOW pair AS (PARTITION BY role, voucher_item, item_id, registered_on)
