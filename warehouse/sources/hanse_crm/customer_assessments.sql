-- Grain: one assessment of a customer's influence. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    repeat('0', 10 - length(account)) || account AS customer_id,
    assessed AS assessed_on,
    influence,
    assessor,
    expires AS expires_on,
    _file,
    _row
FROM ASSESSMENTS
