-- purchase_price comes with the module sale_margin.
SELECT DISTINCT
    order_line.id,
    (to_jsonb(order_line) ->> 'purchase_price')::numeric AS purchase_price
FROM sale_order_line AS order_line
JOIN sale_order_line_invoice_rel AS relation ON relation.order_line_id = order_line.id
JOIN account_move_line AS line ON line.id = relation.invoice_line_id
JOIN account_move AS move ON move.id = line.move_id
WHERE move.company_id = :company
  AND (move.write_date >= :since OR move.write_date IS NULL OR move.id IN (
      SELECT move_id FROM account_move_line
      WHERE company_id = :company AND (write_date >= :since OR write_date IS NULL)
      UNION
      SELECT other.move_id
      FROM account_partial_reconcile AS reconcile
      JOIN account_move_line AS other ON other.id IN (reconcile.debit_move_id, reconcile.credit_move_id)
      WHERE reconcile.company_id = :company AND (reconcile.write_date >= :since OR reconcile.write_date IS NULL)))
