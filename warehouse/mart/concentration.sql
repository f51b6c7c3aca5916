SELECT company_code, period, customers, new_customers, net_sales_12m, gross_contribution_12m, hhi, top10_share, direct_share,
    export_share, new_product_share, net_sales_change
FROM customer_structure
WHERE level = 'company'
