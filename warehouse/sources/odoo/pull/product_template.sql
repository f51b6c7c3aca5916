SELECT id, name, categ_id, uom_id FROM product_template
