-- The instalments of all submitted invoices of the company that have several: read with the whole ledger.
SELECT schedule.parent, schedule.parenttype, schedule.idx, schedule.due_date, schedule.payment_amount, schedule.base_payment_amount
FROM `tabPayment Schedule` AS schedule
JOIN `tabSales Invoice` AS invoice ON invoice.name = schedule.parent
WHERE schedule.parenttype = 'Sales Invoice' AND invoice.company = :company AND invoice.docstatus = 1
  AND (SELECT count(*) FROM `tabPayment Schedule` AS other
       WHERE other.parent = schedule.parent AND other.parenttype = 'Sales Invoice') > 1
