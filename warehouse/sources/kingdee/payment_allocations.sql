-- Grain: what a credit (money received, a red document) took off a document on a day. Every match (核销) is recorded for both
-- its documents: the source is the item, the target the other one. Entries of the same credit and item on one day are
-- summed.
WITH entry AS (
    SELECT
        *,
        -- Money received is a negative item; the log counts what was matched of it without a sign.
        CASE WHEN contains(item_form, '收款单') OR upper(item_form) = 'AR_RECEIVEBILL' THEN -amount ELSE amount END AS signed_amount
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
        WHEN row_number() OVER (PARTITION BY payment_id, item_no, matched_on ORDER BY _file, _row) > 1
            THEN 'summed_into_its_pair'
    END AS _excluded
FROM settlement
WINDOW pair AS (PARTITION BY payment_id, item_no, matched_on)
