SELECT imported.company_code, imported.customer_id, product_group AS product_category,
    coalesce(customer.name, imported.customer_id) AS name, customer.salesperson_id, as_of, stage, demand_12m, quantity, unit,
    current_price, net_sales_12m, imported_since, estimated_on, joint_work_12m, last_joint_work_on
FROM rated.import_case AS imported
LEFT JOIN publishing.main.customer USING (company_code, customer_id)
