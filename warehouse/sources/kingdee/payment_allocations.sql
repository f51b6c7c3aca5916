-- Grain: what a credit (money received, a red document) took off a document on a day. Every match (核销) is recorded for both
-- its documents: the source is the item, the target the other one. Entries of the same credit and item on one day are
-- summed. What is set off with payables (应收冲应付) stands in their log, whose other entries are of no receivable.
WITH entry AS (
    SELECT
        *,
        -- Money received is a negative item; the log counts what was matched of it without a sign.
        CASE WHEN contains(item_form, '收款单') OR upper(item_form) = 'AR_RECEIVEBILL' THEN -amount ELSE amount END AS signed_amount,
        CASE WHEN contains(item_form, '付') OR starts_with(upper(item_form), 'AP_') THEN 'not_a_receivable' END AS left_out
    FROM match_log
),
settlement AS (
    SELECT *, CASE WHEN signed_amount < 0 THEN item_no ELSE other_no END AS payment_id FROM entry
)
SELECT
    payment_id,
    item_no AS item_id,
    matched_on AS allocated_on,
    sum(signed_amount) OVER pair AS amount,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN row_number() OVER (PARTITION BY left_out, payment_id, item_no, matched_on ORDER BY _file, _row) > 1
            THEN 'summed_into_its_pair'
    END AS _excluded
FROM settlement
WINDOW pair AS (PARTITION BY left_out, payment_id, item_no, matched_on)
