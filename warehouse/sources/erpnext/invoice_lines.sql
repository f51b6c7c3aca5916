-- Grain: one item of a submitted sales invoice. Returns carry their signs already, in quantities and in amounts. A cancelled
-- invoice stays, flagged: it never counts. Drafts, and the opening balances of a migration, are left out by name.
SELECT
    invoice.name AS document_id,
    item.name AS line_id,
    CASE
        WHEN invoice.is_return THEN 'credit_note'
        WHEN invoice.is_debit_note THEN 'debit_note'
        ELSE 'invoice'
    END AS document_type,
    invoice.posting_date AS invoice_date,
    invoice.customer AS customer_id,
    item.item_code AS product_id,
    round(item.qty, 6) AS quantity,                            -- ERPNext keeps nine decimals of a binary fraction
    item.uom,
    item.net_amount,
    invoice.currency,
    item.base_net_amount AS net_amount_company,
    company.default_currency AS company_currency,
    round(nullif(item.incoming_rate, 0)::DECIMAL(38, 9) * item.stock_qty, 4) AS cost_amount_company,
    CASE WHEN item.incoming_rate <> 0 THEN 'actual' END AS cost_basis,
    invoice.docstatus = 2 AS is_cancelled,
    coalesce(invoice.is_internal_customer, false) AS is_intercompany,
    coalesce(item.is_free_item, false) AS is_free_goods,
    invoice.territory AS ship_to_territory,
    invoice.return_against AS references_document_id,
    round(item.stock_qty, 6) AS base_quantity,
    item._file,
    item._row,
    CASE
        WHEN invoice.company <> company.name THEN 'other_company'
        WHEN invoice.docstatus = 0 THEN 'not_submitted'
        WHEN invoice.is_opening = 'Yes' THEN 'opening_balance'
    END AS _excluded
FROM sales_invoice_item AS item
JOIN sales_invoice AS invoice ON invoice.name = item.parent
CROSS JOIN own_company AS company
