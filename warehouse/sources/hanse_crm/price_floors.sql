-- Grain: one product and channel from a day on, for one piece. The CRM drops leading zeros: a product's has eight.
SELECT
    repeat('0', 8 - length(product)) || product AS product_id,
    channel,
    currency,
    unit AS uom,
    valid_from,
    floor AS floor_net_price,
    valid_to,
    _file,
    _row
FROM PRICE_FLOORS
