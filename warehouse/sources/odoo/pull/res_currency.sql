SELECT id, name FROM res_currency
