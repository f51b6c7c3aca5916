-- Grain: one contact with a customer. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    activity AS interaction_id,
    repeat('0', 10 - length(account)) || account AS customer_id,
    started AS occurred_at,
    type AS kind,
    CASE direction WHEN 'in' THEN 'inbound' WHEN 'out' THEN 'outbound' ELSE direction END AS direction,
    feedback AS is_feedback,
    product_group,
    project AS project_ref,
    _file,
    _row
FROM ACTIVITIES
