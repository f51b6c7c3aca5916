-- All items of the invoices that were written (sales_invoice.sql).
SELECT
    item.name, item.parent, item.item_code, item.qty, item.uom, item.stock_qty, item.net_amount, item.base_net_amount,
    item.incoming_rate, item.is_free_item
FROM `tabSales Invoice Item` AS item
JOIN `tabSales Invoice` AS invoice ON invoice.name = item.parent
WHERE invoice.company = :company AND (invoice.modified >= :since OR invoice.modified IS NULL)
