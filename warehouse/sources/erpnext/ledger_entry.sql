-- Grain: one Payment Ledger Entry, with what it is in `role`:
--   item        of a voucher against itself: what is owed, or what was paid and is not applied yet
--   contra      of a voucher against itself, of the other sign: a till that pays within its own invoice (posted with it); in an
--               immutable ledger, the reverse entry of a cancelled voucher; or, where advances have an account of their own, what
--               is taken off a payment's advance when that is moved to an invoice
--   settlement  of a voucher against another that is in the ledger
--   advance     of a voucher against one that is not in the ledger, such as an order: the customer's credit until it is moved
-- `left_out` names the entries that are none of these. The ledger signs an entry by what it does to the balance.
WITH entry AS (
    SELECT
        ledger.*,
        company.default_currency AS company_currency,
        (voucher_type, voucher_no) = (against_voucher_type, against_voucher_no) AS is_own,
        CASE
            WHEN ledger.company <> company.name THEN 'other_company'
            WHEN account_type <> 'Receivable' OR party_type <> 'Customer' THEN 'not_a_customer_entry'
            WHEN delinked THEN 'delinked'
        END AS left_out
    FROM payment_ledger_entry AS ledger
    CROSS JOIN own_company AS company
),
own AS (
    SELECT voucher_type, voucher_no, party, min(posting_date) AS posted_on
    FROM entry
    WHERE left_out IS NULL AND is_own
    GROUP BY ALL
),
reversed AS (
    -- A till pays on the invoice's own day; what is taken back later was cancelled.
    SELECT voucher_type, voucher_no, party
    FROM entry
    WHERE left_out IS NULL AND is_own
    GROUP BY ALL
    HAVING sum(amount) = 0 AND min(posting_date) < max(posting_date)
),
advanced AS (
    SELECT DISTINCT entry.voucher_type, entry.voucher_no, entry.party
    FROM entry
    LEFT JOIN own
        ON own.voucher_type = entry.against_voucher_type AND own.voucher_no = entry.against_voucher_no AND own.party = entry.party
    WHERE left_out IS NULL AND NOT is_own AND own.voucher_no IS NULL AND entry.voucher_type = 'Payment Entry' AND amount < 0
)
SELECT
    entry.*,
    settled.posted_on AS settled_posted_on,
    advanced.voucher_no IS NOT NULL AS is_advanced,            -- a payment of which something is or was an advance
    -- Money is entered as a payment, or in the journal.
    entry.voucher_type = 'Payment Entry'
        OR coalesce(journal.voucher_type IN ('Bank Entry', 'Cash Entry', 'Credit Card Entry'), false) AS is_money,
    journal.voucher_type AS journal_type,
    is_own AND (reversed.voucher_no IS NOT NULL OR coalesce(invoice.docstatus = 2, false)) AS is_cancelled,
    CASE
        WHEN left_out IS NOT NULL THEN NULL
        -- What an item is: a claim if any entry is one, except for payments, which are the other way round, and for a till's
        -- return: of a document paid within itself, what is due is the document.
        WHEN is_own AND sign(amount) = CASE
            WHEN advanced.voucher_no IS NOT NULL THEN -1
            WHEN entry.voucher_type = 'Payment Entry' THEN min(sign(amount)) OVER voucher
            WHEN max(sign(amount)) FILTER (due_date IS NOT NULL) OVER voucher < 0 THEN -1
            ELSE max(sign(amount)) OVER voucher
        END THEN 'item'
        WHEN is_own THEN 'contra'
        WHEN settled.voucher_no IS NOT NULL THEN 'settlement'
        ELSE 'advance'
    END AS role,
    CASE entry.voucher_type WHEN 'Journal Entry' THEN entry.voucher_no || '/' || entry.party ELSE entry.voucher_no END
        AS voucher_item,
    CASE against_voucher_type WHEN 'Journal Entry' THEN against_voucher_no || '/' || entry.party ELSE against_voucher_no END
        AS against_item
FROM entry
LEFT JOIN own AS settled
    ON settled.voucher_type = entry.against_voucher_type AND settled.voucher_no = entry.against_voucher_no
    AND settled.party = entry.party
LEFT JOIN reversed
    ON reversed.voucher_type = entry.voucher_type AND reversed.voucher_no = entry.voucher_no AND reversed.party = entry.party
LEFT JOIN advanced
    ON advanced.voucher_type = entry.voucher_type AND advanced.voucher_no = entry.voucher_no AND advanced.party = entry.party
LEFT JOIN journal_entry AS journal ON entry.voucher_type = 'Journal Entry' AND journal.name = entry.voucher_no
LEFT JOIN sales_invoice AS invoice ON entry.voucher_type = 'Sales Invoice' AND invoice.name = entry.voucher_no
WINDOW voucher AS (PARTITION BY left_out IS NULL AND is_own, entry.voucher_type, entry.voucher_no, entry.party)
