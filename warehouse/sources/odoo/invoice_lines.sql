-- Grain: one product line of a customer invoice, receipt or refund. The journal keeps sales as a credit: net = −balance,
-- which makes refunds negative by itself; quantities carry no sign. What else lies in account_move_line is left out by name.
WITH cost_line AS (
    -- Cost of goods sold, posted beside the sale. Odoo 17 says which line it belongs to; before, it is the n-th of the
    -- same product and quantity in the document.
    SELECT
        line.move_id, line.product_id, line.quantity, line.balance, line.cogs_origin_id,
        row_number() OVER (PARTITION BY line.move_id, line.product_id, line.quantity ORDER BY line.id::BIGINT) AS nth
    FROM account_move_line AS line
    JOIN account_account AS account ON account.id = line.account_id
    WHERE line.display_type = 'cogs' AND starts_with(account.account_type, 'expense')
),
linked_cost AS (
    -- A sale may have several, as where its cost was put right afterwards.
    SELECT cogs_origin_id, sum(balance) AS balance FROM cost_line WHERE cogs_origin_id IS NOT NULL GROUP BY cogs_origin_id
),
product_line AS (
    SELECT
        line.id,
        row_number() OVER (PARTITION BY line.move_id, line.product_id, line.quantity ORDER BY line.id::BIGINT) AS nth
    FROM account_move_line AS line
    WHERE line.display_type = 'product'
),
order_cost AS (
    -- What the product cost when it was ordered, per unit, in the currency of the order. An invoice line that sums several
    -- order lines has no single cost.
    SELECT relation.invoice_line_id, min(order_line.purchase_price) AS unit_cost
    FROM sale_order_line_invoice_rel AS relation
    JOIN sale_order_line AS order_line ON order_line.id = relation.order_line_id
    GROUP BY relation.invoice_line_id
    HAVING min(order_line.purchase_price) = max(order_line.purchase_price) AND count(*) = count(order_line.purchase_price)
),
line AS (
    SELECT
        line.*,
        move.* EXCLUDE (id, _file, _row),
        own.company_id AS own_company_id,
        own.country_code AS own_country,
        own.currency AS company_currency,
        currency.name AS currency,
        CASE move.move_type WHEN 'out_refund' THEN -1 WHEN 'out_invoice' THEN 1 WHEN 'out_receipt' THEN 1 END AS direction,
        coalesce(linked.balance, counted.balance) AS posted_cost,
        nullif(order_cost.unit_cost, 0)::DECIMAL(38, 6) * line.quantity AS ordered_cost,
        -- Whole millionths, so that the conversion divides exactly.
        CAST(ordered_cost * 1000000 AS HUGEINT) AS cost_millionths,
        CAST(abs(line.balance)::DECIMAL(38, 6) * 1000000 AS HUGEINT) AS company_millionths,
        nullif(CAST(abs(line.amount_currency)::DECIMAL(38, 6) * 1000000 AS HUGEINT), 0) AS document_millionths
    FROM account_move_line AS line
    JOIN account_move AS move ON move.id = line.move_id
    CROSS JOIN own_company AS own
    LEFT JOIN res_currency AS currency ON currency.id = line.currency_id
    LEFT JOIN product_line ON product_line.id = line.id
    LEFT JOIN linked_cost AS linked ON linked.cogs_origin_id = line.id
    LEFT JOIN cost_line AS counted
        ON counted.cogs_origin_id IS NULL AND counted.move_id = line.move_id AND counted.product_id = line.product_id
        AND counted.quantity = line.quantity AND counted.nth = product_line.nth
    LEFT JOIN order_cost ON order_cost.invoice_line_id = line.id
)
SELECT
    line.name AS document_id,
    line.id AS line_id,
    CASE line.move_type WHEN 'out_refund' THEN 'credit_note' ELSE 'invoice' END AS document_type,
    line.invoice_date,
    line.commercial_partner_id AS customer_id,
    line.product_id,
    line.direction * line.quantity AS quantity,
    CASE
        WHEN starts_with(uom.name, '{') THEN coalesce(
            json_extract_string(uom.name, '$.en_US'),
            json_extract_string(uom.name, '$."' || list_min(json_keys(uom.name)) || '"'))
        ELSE coalesce(uom.name, 'Units')                       -- a line typed in by hand has no unit
    END AS uom,
    -line.amount_currency AS net_amount,
    line.currency,
    -line.balance AS net_amount_company,
    line.company_currency,
    CASE
        WHEN posted_cost IS NOT NULL THEN posted_cost
        WHEN line.currency = line.company_currency THEN direction * ordered_cost
        ELSE direction * sign(cost_millionths) * CAST(
            (2 * abs(cost_millionths) * company_millionths + 100 * document_millionths) // (200 * document_millionths)
            AS DECIMAL(28, 0)) * 0.0001
    END AS cost_amount_company,
    CASE
        WHEN posted_cost IS NOT NULL THEN 'actual'
        WHEN line.currency = line.company_currency AND ordered_cost IS NOT NULL THEN 'standard_at_sale'
        WHEN ordered_cost IS NOT NULL AND document_millionths IS NOT NULL THEN 'standard_at_sale'
    END AS cost_basis,
    line.state = 'cancel' AS is_cancelled,
    line.commercial_partner_id IN (SELECT partner_id FROM res_company WHERE NOT is_own) AS is_intercompany,
    line.amount_currency = 0 AND line.quantity <> 0 AND line.product_id IS NOT NULL AS is_free_goods,
    CASE WHEN customer.country_code <> line.own_country THEN 'export' END AS channel,
    coalesce(ship_to.country_code || '-' || ship_to.state_code, ship_to.country_code) AS ship_to_territory,
    reversed.name AS references_document_id,
    CASE WHEN line.product_uom_id = template.uom_id THEN line.direction * line.quantity END AS base_quantity,
    line.invoice_user_id AS salesperson_id,
    line.move_id,                                              -- the name of a draft may change
    line._file,
    line._row,
    CASE
        WHEN line.company_id <> line.own_company_id THEN 'other_company'
        WHEN line.direction IS NULL THEN 'not_a_customer_invoice'
        WHEN line.display_type <> 'product' THEN 'not_a_product_line'
        WHEN line.state = 'draft' OR (line.state = 'cancel' AND NOT line.posted_before) THEN 'not_posted'
    END AS _excluded
FROM line
LEFT JOIN account_move AS reversed ON reversed.id = line.reversed_entry_id
LEFT JOIN uom_uom AS uom ON uom.id = line.product_uom_id
LEFT JOIN product_product AS product ON product.id = line.product_id
LEFT JOIN product_template AS template ON template.id = product.product_tmpl_id
LEFT JOIN res_partner AS customer ON customer.id = line.commercial_partner_id
LEFT JOIN res_partner AS ship_to ON ship_to.id = line.partner_shipping_id
