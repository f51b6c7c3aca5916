-- Grain: one customer. Its credit limit is the one of the batch's company; limits of groups and companies are not handed down.
SELECT
    customer.name AS customer_id,
    customer.customer_name AS name,
    customer.territory AS territory_id,
    customer.industry AS industry_code,
    nullif(credit.credit_limit, 0) AS credit_limit,            -- 0 is how ERPNext writes "no limit"
    CASE WHEN credit.credit_limit <> 0 THEN (SELECT default_currency FROM own_company) END AS credit_currency,
    customer.creation AS created_on,
    CASE WHEN customer.disabled THEN 'inactive' WHEN customer.is_frozen THEN 'blocked' ELSE 'active' END AS status,
    CASE WHEN customer.is_frozen AND NOT customer.disabled THEN 'other' END AS status_reason,
    customer._file,
    customer._row
FROM customer
LEFT JOIN customer_credit_limit AS credit
    ON credit.parent = customer.name AND credit.parenttype = 'Customer' AND credit.company = (SELECT name FROM own_company)
