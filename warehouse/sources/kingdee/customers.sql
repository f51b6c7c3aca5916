-- Grain: one customer.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
)
SELECT
    customer.number AS customer_id,
    customer.name,
    customer.region AS territory_id,
    customer."group" AS industry_code,
    CASE WHEN customer.country NOT IN ('中国', '中华人民共和国') THEN 'export' END AS channel,
    credit."limit" AS credit_limit,
    coalesce(currency.code, credit.currency) AS credit_currency,
    customer.created AS created_on,
    CASE WHEN customer.forbidden IN ('是', 'B') THEN 'blocked' ELSE 'active' END AS status,
    CASE WHEN customer.forbidden IN ('是', 'B') THEN 'other' END AS status_reason,
    customer._file,
    customer._row
FROM customer
LEFT JOIN credit ON credit.customer = customer.number
LEFT JOIN currency ON currency.name = credit.currency
