SELECT
    name, docstatus, company, customer, posting_date, currency, is_return, return_against, is_debit_note,
    is_internal_customer, is_opening, territory, modified
FROM `tabSales Invoice`
WHERE company = :company AND (modified >= :since OR modified IS NULL)
