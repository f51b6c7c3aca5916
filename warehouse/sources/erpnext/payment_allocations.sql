-- Grain: what one voucher took off another on a day; entries of the same two vouchers on one day are summed. The ledger signs
-- an entry by what it does to the balance; here it has the sign of the item it settles.
WITH entry AS (
    SELECT
        ledger.*,
        (voucher_type, voucher_no) = (against_voucher_type, against_voucher_no) AS is_own,
        CASE
            WHEN ledger.company <> company.name THEN 'other_company'
            WHEN account_type <> 'Receivable' OR party_type <> 'Customer' THEN 'not_a_customer_entry'
            WHEN delinked THEN 'delinked'
        END AS left_out
    FROM payment_ledger_entry AS ledger
    CROSS JOIN company
),
settlement AS (
    SELECT
        *,
        CASE
            WHEN left_out IS NOT NULL THEN left_out
            WHEN is_own AND sign(amount) = CASE
                WHEN voucher_type = 'Payment Entry' THEN min(sign(amount)) OVER voucher
                ELSE max(sign(amount)) OVER voucher
            END THEN 'the_item_itself'
        END AS excluded
    FROM entry
    WINDOW voucher AS (PARTITION BY left_out IS NULL AND is_own, voucher_type, voucher_no, party)
)
SELECT
    voucher_no AS payment_id,
    against_voucher_no || CASE against_voucher_type WHEN 'Journal Entry' THEN '/' || party ELSE '' END AS item_id,
    posting_date AS allocated_on,
    -sum(amount_in_account_currency) OVER pair AS amount,
    _file,
    _row,
    CASE
        WHEN excluded IS NOT NULL THEN excluded
        WHEN row_number() OVER (
            PARTITION BY excluded, voucher_type, voucher_no, against_voucher_type, against_voucher_no, party, posting_date
            ORDER BY name) > 1 THEN 'summed_into_its_pair'
    END AS _excluded
FROM settlement
WINDOW pair AS (
    PARTITION BY excluded, voucher_type, voucher_no, against_voucher_type, against_voucher_no, party, posting_date
)
