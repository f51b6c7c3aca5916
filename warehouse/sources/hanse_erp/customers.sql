-- Grain: one customer. Terms read Z030 for 30 days net; no limit is no limit, and not a limit of 0.
SELECT
    customer AS customer_id,
    name,
    "group" AS group_id,
    territory AS territory_id,
    industry AS industry_code,
    CASE channel WHEN '10' THEN 'direct' WHEN '20' THEN 'distribution' WHEN '30' THEN 'export' END AS channel,
    credit_limit,
    CASE WHEN credit_limit IS NOT NULL THEN 'EUR' END AS credit_currency,
    TRY_CAST(regexp_extract(terms, '^Z(\d{3})$', 1) AS INTEGER) AS payment_term_days,
    created AS created_on,
    CASE block WHEN '01' THEN 'blocked' WHEN '09' THEN 'inactive' ELSE 'active' END AS status,
    _file,
    _row
FROM KNA1
