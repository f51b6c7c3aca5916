-- Grain: one row an old account, the one that continues it, and the day. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    repeat('0', 10 - length(old_account)) || old_account AS old_customer_id,
    repeat('0', 10 - length(new_account)) || new_account AS new_customer_id,
    valid_from,
    share,
    reason,
    _file,
    _row
FROM SUCCESSIONS
