-- Grain: what one document took off another on a day. Every match (核销) is recorded for both its documents: the source is the
-- item, the target what settled it. Entries of the same two documents on one day are summed.
WITH entry AS (
    SELECT
        *,
        -- Money received is a negative item; the log counts what was matched of it without a sign.
        CASE WHEN contains(item_form, '收款单') OR upper(item_form) = 'AR_RECEIVEBILL' THEN -amount ELSE amount END AS signed_amount
    FROM match_log
)
SELECT
    other_no AS payment_id,
    item_no AS item_id,
    matched_on AS allocated_on,
    sum(signed_amount) OVER pair AS amount,
    _file,
    _row,
    CASE
        WHEN row_number() OVER (PARTITION BY other_no, item_no, matched_on ORDER BY _file, _row) > 1
            THEN 'summed_into_its_pair'
    END AS _excluded
FROM entry
WINDOW pair AS (PARTITION BY other_no, item_no, matched_on)
