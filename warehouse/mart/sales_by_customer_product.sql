-- The closed months of two years, up to the latest rated one.
SELECT company_code, customer_id, category AS product_category, month, sum(net_sales)::DECIMAL(38,4) AS net_sales,
    sum(contribution)::DECIMAL(38,4) AS contribution
FROM rated.sales_cell
JOIN (SELECT company_code, max(period) AS latest FROM rated.customer_value_history GROUP BY company_code) USING (company_code)
LEFT JOIN (SELECT company_code, product_id, category FROM erp.products WHERE NOT is_deleted) USING (company_code, product_id)
WHERE month > latest - INTERVAL 24 MONTHS AND month <= latest
GROUP BY company_code, customer_id, category, month
