-- Whole documents: a move counts as written when it, one of its lines, or a reconciliation of one of them was. With it the
-- moves that it reverses, which are looked up. What no write is stamped on is read each time.
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
    name,
    move_type,
    state,
    posted_before,
    company_id,
    commercial_partner_id,
    partner_shipping_id,
    invoice_date,
    invoice_user_id,
    reversed_entry_id,
    -- renamed in Odoo 18
    coalesce(to_jsonb(account_move) ->> 'origin_payment_id', to_jsonb(account_move) ->> 'payment_id') AS payment_id,
    to_jsonb(account_move) ->> 'statement_line_id' AS statement_line_id,
    write_date
FROM account_move
WHERE id IN (SELECT id FROM written)
   OR id IN (SELECT reversed_entry_id FROM account_move WHERE id IN (SELECT id FROM written))
