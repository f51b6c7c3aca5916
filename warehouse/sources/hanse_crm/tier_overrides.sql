-- Grain: one decision to hold a customer's tier. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    repeat('0', 10 - length(account)) || account AS customer_id,
    valid_from,
    tier,
    owner,
    reason,
    valid_to,
    _file,
    _row
FROM OVERRIDES
