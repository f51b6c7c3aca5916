SELECT id, complete_name FROM product_category
