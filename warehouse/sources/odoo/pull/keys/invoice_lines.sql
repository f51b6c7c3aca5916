-- Every product line of a customer document there is, whatever its state: what is not among them was deleted.
SELECT move.name AS document_id, line.id AS line_id
FROM account_move_line AS line
JOIN account_move AS move ON move.id = line.move_id
WHERE move.company_id = :company AND move.name IS NOT NULL
  AND move.move_type IN ('out_invoice', 'out_receipt', 'out_refund') AND line.display_type = 'product'
