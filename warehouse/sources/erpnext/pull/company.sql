SELECT name, default_currency FROM `tabCompany` WHERE name = :company
