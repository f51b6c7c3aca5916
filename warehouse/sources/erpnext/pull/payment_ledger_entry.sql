-- All of the company: entries are delinked and written anew.
SELECT
    name, posting_date, company, account_type, party_type, party, due_date, voucher_type, voucher_no,
    against_voucher_type, against_voucher_no, amount, account_currency, amount_in_account_currency, delinked
FROM `tabPayment Ledger Entry`
WHERE company = :company
