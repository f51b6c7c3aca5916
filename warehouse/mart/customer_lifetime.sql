-- A customer's months summed up; what a month does not know (null) is left out of the sum.
SELECT company_code, customer_id, min(month) AS first_month, max(month) AS last_month, count(*) AS months,
    sum(net_sales) AS net_sales, sum(quantity) AS quantity, sum(orders)::BIGINT AS orders, sum(invoiced) AS invoiced,
    sum(returns) AS returns, sum(price_credits) AS price_credits,
    sum(cost) AS cost, sum(gross_amount) AS gross_amount, sum(gross_amount_with_cost) AS gross_amount_with_cost,
    sum(freight) AS freight, sum(rebates) AS rebates, sum(contribution) AS contribution
FROM customer_month
GROUP BY company_code, customer_id
