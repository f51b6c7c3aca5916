-- Grain: one voucher that is owed or owing: the ledger's entries of a voucher against itself, summed. The entries of other
-- vouchers against it settle it: see payment_allocations. A till pays within its own invoice: the entries of the other sign.
WITH entry AS (
    SELECT
        ledger.*,
        company.default_currency AS company_currency,
        CASE
            WHEN ledger.company <> company.name THEN 'other_company'
            WHEN account_type <> 'Receivable' OR party_type <> 'Customer' THEN 'not_a_customer_entry'
            WHEN delinked THEN 'delinked'
            WHEN (voucher_type, voucher_no) <> (against_voucher_type, against_voucher_no) THEN 'settles_an_item'
        END AS left_out,
        left_out IS NULL AS is_own
    FROM payment_ledger_entry AS ledger
    CROSS JOIN company
),
signed AS (
    -- What an item is: a claim where any entry is one, except for payments, which are the other way round.
    SELECT
        *,
        CASE
            WHEN voucher_type = 'Payment Entry' THEN min(sign(amount)) OVER voucher
            ELSE max(sign(amount)) OVER voucher
        END AS direction
    FROM entry
    WINDOW voucher AS (PARTITION BY is_own, voucher_type, voucher_no, party)
),
item AS (
    SELECT
        *,
        is_own AND sign(amount) <> direction AS settles_itself,
        sum(amount_in_account_currency) OVER same AS item_amount,
        sum(amount) OVER same AS item_amount_company,
        min(posting_date) OVER same AS posted_on,
        max(due_date) OVER same AS due_on,
        row_number() OVER (PARTITION BY is_own, voucher_type, voucher_no, party, sign(amount) ORDER BY name) AS nth
    FROM signed
    WINDOW same AS (PARTITION BY is_own, voucher_type, voucher_no, party, sign(amount))
)
SELECT
    voucher_no || CASE voucher_type WHEN 'Journal Entry' THEN '/' || party ELSE '' END AS item_id,
    party AS customer_id,
    CASE voucher_type WHEN 'Sales Invoice' THEN voucher_no END AS document_id,
    CASE
        WHEN voucher_type = 'Sales Invoice' AND direction < 0 THEN 'credit_note'
        WHEN voucher_type = 'Sales Invoice' THEN 'invoice'
        WHEN voucher_type = 'Payment Entry' THEN 'payment_on_account'
        ELSE 'other'
    END AS item_type,
    posted_on AS posting_date,
    coalesce(due_on, posted_on) AS due_date,
    item_amount AS original_amount,
    account_currency AS currency,
    item_amount_company AS original_amount_company,
    company_currency,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN settles_itself THEN 'settles_an_item'
        WHEN nth > 1 THEN 'summed_into_its_item'
    END AS _excluded
FROM item
