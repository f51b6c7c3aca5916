-- Grain: one customer, product group (null: all) and year, by version. The CRM drops leading zeros: a customer's number has ten digits.
SELECT
    repeat('0', 10 - length(account)) || account AS customer_id,
    product_group,
    year_from AS period_start,
    version AS estimate_version,
    amount,
    quantity,
    unit,
    source,
    estimated AS estimated_on,
    supplied_by,
    price AS current_price,
    _file,
    _row
FROM DEMAND
