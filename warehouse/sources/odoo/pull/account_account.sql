SELECT id, account_type FROM account_account
