-- Grain: one customer. A limit counts only where U8 controls it.
SELECT
    code AS customer_id,
    name,
    head_office AS group_id,
    area AS territory_id,
    trade AS industry_code,
    CASE WHEN is_overseas THEN 'export' END AS channel,
    CASE WHEN controls_credit THEN coalesce(credit_limit, 0) END AS credit_limit,
    credit_days AS payment_term_days,
    developed_on AS created_on,
    CASE WHEN ended_on IS NOT NULL THEN 'inactive' ELSE 'active' END AS status,
    _file,
    _row
FROM customer
