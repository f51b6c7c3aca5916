-- Grain: what a credit (payment, refund) took off a receivable line on a day. A reconciliation joins a debit and a credit and
-- lowers both: so each gives two rows, one for either item, each with its item's sign.
WITH side AS (
    SELECT
        credit_move_id AS payment_id, debit_move_id AS item_id, max_date, debit_amount_currency AS amount, _file, _row
    FROM account_partial_reconcile
    UNION ALL
    SELECT credit_move_id, credit_move_id, max_date, -credit_amount_currency, _file, _row
    FROM account_partial_reconcile
)
SELECT
    side.payment_id,
    side.item_id,
    side.max_date AS allocated_on,
    sum(side.amount) AS amount,
    arg_min(side._file, (side._file, side._row)) AS _file,
    arg_min(side._row, (side._file, side._row)) AS _row
FROM side
GROUP BY ALL
