SELECT name, item_name, item_group, stock_uom, disabled, valuation_rate FROM `tabItem`
