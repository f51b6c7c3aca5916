-- The submitted journal entries of the company: read with the whole ledger.
SELECT name, voucher_type FROM `tabJournal Entry` WHERE company = :company AND docstatus = 1
