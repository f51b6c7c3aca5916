-- Every posted line on a receivable account: what is not among them was deleted, or is owed no more.
SELECT line.id AS item_id
FROM account_move_line AS line
JOIN account_move AS move ON move.id = line.move_id
JOIN account_account AS account ON account.id = line.account_id
WHERE move.company_id = :company AND account.account_type = 'asset_receivable' AND move.state = 'posted'
