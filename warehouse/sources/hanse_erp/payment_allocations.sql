-- Grain: one payment's share in settling one item on one day.
SELECT
    payment AS payment_id,
    item AS item_id,
    allocated AS allocated_on,
    amount,
    _file,
    _row
FROM ZUOR
