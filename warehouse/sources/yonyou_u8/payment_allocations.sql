-- Grain: what one document took off another on a day; entries of the same two on one day are summed. A match is written for
-- both its documents: the receipt against the invoice, and the receipt against itself.
WITH entry AS (
    SELECT
        *,
        coalesce(credit, 0) - coalesce(debit, 0) AS amount,
        CASE
            WHEN flag >= 3 THEN 'not_in_the_balance'
            WHEN process = voucher_type AND (voucher_type, voucher_no) = (against_type, against_no) THEN 'the_item_itself'
        END AS left_out
    FROM ar_detail
)
SELECT
    voucher_type || '-' || voucher_no AS payment_id,
    against_type || '-' || against_no AS item_id,
    registered_on AS allocated_on,
    sum(amount) OVER pair AS amount,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN row_number() OVER (
            PARTITION BY left_out, voucher_type, voucher_no, against_type, against_no, registered_on ORDER BY entry_id) > 1
            THEN 'summed_into_its_pair'
    END AS _excluded
FROM entry
WINDOW pair AS (PARTITION BY left_out, voucher_type, voucher_no, against_type, against_no, registered_on)
