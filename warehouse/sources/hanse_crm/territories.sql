-- Grain: one dealer's right to a territory. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    territory AS territory_id,
    repeat('0', 10 - length(account)) || account AS customer_id,
    valid_from,
    exclusive,
    _file,
    _row
FROM TERRITORIES
