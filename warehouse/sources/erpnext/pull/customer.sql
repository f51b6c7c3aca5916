SELECT name, customer_name, territory, industry, disabled, is_frozen, creation FROM `tabCustomer`
