-- All lines of the moves that were written (account_move.sql), since what they mean depends on one another.
WITH written AS (
    SELECT id FROM account_move
    WHERE company_id = :company AND (write_date >= :since OR write_date IS NULL)
    UNION
    SELECT move_id FROM account_move_line
    WHERE company_id = :company AND (write_date >= :since OR write_date IS NULL)
    UNION
    SELECT line.move_id
    FROM account_partial_reconcile AS reconcile
    JOIN account_move_line AS line ON line.id IN (reconcile.debit_move_id, reconcile.credit_move_id)
    WHERE reconcile.company_id = :company AND (reconcile.write_date >= :since OR reconcile.write_date IS NULL)
)
SELECT
    id,
    move_id,
    account_id,
    partner_id,
    display_type,
    product_id,
    product_uom_id,
    quantity,
    currency_id,
    amount_currency,
    balance,
    amount_residual_currency,
    amount_residual,
    date,
    date_maturity,
    to_jsonb(account_move_line) ->> 'cogs_origin_id' AS cogs_origin_id      -- from Odoo 17 on
FROM account_move_line
WHERE move_id IN (SELECT id FROM written)
