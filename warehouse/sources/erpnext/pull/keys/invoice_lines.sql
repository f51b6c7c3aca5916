-- Every item of an invoice there is, whatever its state: what is not among them was deleted.
SELECT item.parent AS document_id, item.name AS line_id
FROM `tabSales Invoice Item` AS item
JOIN `tabSales Invoice` AS invoice ON invoice.name = item.parent
WHERE invoice.company = :company
