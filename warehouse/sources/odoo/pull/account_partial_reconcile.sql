-- All of them: one that is undone is deleted, and only a whole list shows it.
SELECT
    reconcile.id,
    reconcile.debit_move_id,
    reconcile.credit_move_id,
    reconcile.debit_amount_currency,
    reconcile.credit_amount_currency,
    reconcile.max_date
FROM account_partial_reconcile AS reconcile
WHERE reconcile.company_id = :company
  AND EXISTS (
      SELECT 1 FROM account_move_line AS line
      JOIN account_account AS account ON account.id = line.account_id
      WHERE line.id IN (reconcile.debit_move_id, reconcile.credit_move_id)
        AND account.account_type = 'asset_receivable')
