-- Grain: one sighting of goods in the market. The CRM drops leading zeros: a customer's number has ten digits, a product's has eight.
SELECT
    observation AS observation_id,
    observed AS observed_on,
    repeat('0', 10 - length(account)) || account AS customer_id,
    repeat('0', 8 - length(product)) || product AS product_id,
    territory AS found_territory,
    price AS resale_price,
    evidence AS evidence_ref,
    confirmed,
    _file,
    _row
FROM OBSERVATIONS
