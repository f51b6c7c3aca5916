SELECT parent, parenttype, company, credit_limit FROM `tabCustomer Credit Limit`
