-- Every line on a receivable account, whatever its document's state.
SELECT line.id AS item_id
FROM account_move_line AS line
JOIN account_account AS account ON account.id = line.account_id
WHERE line.company_id = :company AND account.account_type = 'asset_receivable'
