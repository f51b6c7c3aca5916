-- Grain: one incoming payment.
SELECT
    payment AS payment_id,
    customer AS customer_id,
    paid AS payment_date,
    amount,
    currency,
    CASE method WHEN 'SEPA-Lastschrift' THEN 'direct_debit' WHEN 'Überweisung' THEN 'transfer' ELSE method END AS method,
    _file,
    _row
FROM ZAHL
