-- standard_price is a column from Odoo 18 on, JSON by company: read through to_jsonb, it is null before.
SELECT
    id,
    product_tmpl_id,
    active,
    (to_jsonb(product_product) -> 'standard_price' ->> :company)::numeric AS standard_price
FROM product_product
