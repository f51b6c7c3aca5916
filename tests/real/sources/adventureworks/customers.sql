-- Grain: one reseller, sold to or not. Two pairs of resellers share a name: only the key tells them apart.
SELECT
    reseller AS customer_id,
    name,
    country AS territory_id,
    business_type AS industry_code,
    'distribution' AS channel,
    'active' AS status,
    _file,
    _row
FROM RESELLER
