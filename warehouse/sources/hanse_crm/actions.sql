-- Grain: one row an action. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    number AS action_id,
    repeat('0', 10 - length(account)) || account AS customer_id,
    done AS action_done,
    done_on,
    remark,
    _file,
    _row
FROM ACTIONS
