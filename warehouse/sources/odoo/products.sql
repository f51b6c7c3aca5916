-- Grain: one product variant. A translated name is kept as {"en_US": "Tray", "de_DE": "Schale"}: English first, else the
-- first language by letter.
SELECT
    product.id AS product_id,
    CASE
        WHEN starts_with(template.name, '{') THEN coalesce(
            json_extract_string(template.name, '$.en_US'),
            json_extract_string(template.name, '$."' || list_min(json_keys(template.name)) || '"'))
        ELSE template.name
    END AS name,
    category.complete_name AS category,
    CASE
        WHEN starts_with(uom.name, '{') THEN coalesce(
            json_extract_string(uom.name, '$.en_US'),
            json_extract_string(uom.name, '$."' || list_min(json_keys(uom.name)) || '"'))
        ELSE uom.name
    END AS base_uom,
    CASE WHEN NOT product.active THEN 'discontinued' END AS lifecycle_stage,
    nullif(product.standard_price, 0) AS standard_cost,       -- 0 is what Odoo shows where nobody entered a cost
    product._file,
    product._row
FROM product_product AS product
LEFT JOIN product_template AS template ON template.id = product.product_tmpl_id
LEFT JOIN uom_uom AS uom ON uom.id = template.uom_id
LEFT JOIN product_category AS category ON category.id = template.categ_id
