-- Grain: one posted line on a receivable account: an installment of an invoice, a refund, a payment, or an entry made by hand.
-- The journal's debit is what the customer owes. When it was settled follows from the reconciliations. What was posted once
-- and is cancelled is gone: it was loaded, and nobody owes it any more.
WITH settled AS (
    SELECT line_id, max(max_date) AS last_settled_on
    FROM (
        SELECT debit_move_id AS line_id, max_date FROM account_partial_reconcile
        UNION ALL
        SELECT credit_move_id, max_date FROM account_partial_reconcile
    )
    GROUP BY line_id
),
entry AS (
    -- What an entry by hand does to the items that it settles, by the accounts of its other lines.
    SELECT
        line.move_id,
        bool_or(account.account_type = 'asset_cash') AS is_money,
        CASE
            WHEN bool_and(account.account_type = 'liability_payable') THEN 'set_off'
            WHEN bool_and(account.account_type = 'asset_receivable') THEN 'transfer'
            WHEN bool_or(starts_with(account.account_type, 'expense'))
                AND bool_and(starts_with(account.account_type, 'expense') OR account.account_type = 'liability_current')
                THEN 'write_off'                               -- with the tax that goes with it
        END AS settlement
    FROM account_move_line AS line
    JOIN account_account AS account ON account.id = line.account_id
    WHERE account.account_type <> 'asset_receivable' OR line.balance > 0
    GROUP BY line.move_id
)
SELECT
    line.id AS item_id,
    coalesce(partner.commercial_partner_id, line.partner_id) AS customer_id,
    CASE WHEN move.move_type <> 'entry' THEN move.name END AS document_id,
    CASE
        WHEN move.move_type IN ('out_invoice', 'out_receipt') THEN 'invoice'
        WHEN move.move_type = 'out_refund' THEN 'credit_note'
        WHEN move.payment_id IS NOT NULL OR move.statement_line_id IS NOT NULL THEN 'payment_on_account'
        WHEN move.move_type = 'entry' AND entry.is_money AND line.balance < 0 THEN 'payment_on_account'
        ELSE 'other'
    END AS item_type,
    line.date AS posting_date,
    coalesce(line.date_maturity, line.date) AS due_date,
    line.amount_currency AS original_amount,
    currency.name AS currency,
    line.balance AS original_amount_company,
    own.currency AS company_currency,
    CASE
        WHEN line.amount_currency = 0 AND line.balance = 0 THEN line.date
        -- What is 0 in company currency is settled: the rest in the item's own is what the rates left.
        WHEN line.amount_residual_currency = 0 OR line.amount_residual = 0 THEN settled.last_settled_on
    END AS cleared_date,
    -- A difference of the rates is 0 in the item's own currency.
    CASE
        WHEN move.move_type = 'entry' AND move.payment_id IS NULL AND move.statement_line_id IS NULL AND line.amount_currency < 0
            THEN coalesce(
                entry.settlement,
                CASE WHEN NOT coalesce(entry.is_money, false) AND (line.amount_residual_currency = 0 OR line.amount_residual = 0)
                     THEN 'unknown' END)
    END AS item_settlement,
    CASE WHEN move.move_type = 'out_refund' THEN reversed.name END AS references_document_id,
    coalesce(move.state = 'cancel' AND move.posted_before, false) AS is_deleted,
    line.move_id,                                              -- the name of a draft may change
    line._file,
    line._row,
    CASE
        WHEN move.company_id <> own.company_id THEN 'other_company'
        WHEN account.account_type <> 'asset_receivable' THEN 'not_a_receivable_line'
        WHEN line.partner_id IS NULL THEN 'without_partner'    -- what a till took from people it does not know
        WHEN move.state <> 'posted' AND NOT (move.state = 'cancel' AND coalesce(move.posted_before, false)) THEN 'not_posted'
    END AS _excluded
FROM account_move_line AS line
JOIN account_move AS move ON move.id = line.move_id
JOIN account_account AS account ON account.id = line.account_id
LEFT JOIN account_move AS reversed ON reversed.id = move.reversed_entry_id
CROSS JOIN own_company AS own
LEFT JOIN res_currency AS currency ON currency.id = line.currency_id
LEFT JOIN res_partner AS partner ON partner.id = line.partner_id
LEFT JOIN settled ON settled.line_id = line.id
LEFT JOIN entry ON entry.move_id = line.move_id
