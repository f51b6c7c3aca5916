-- Grain: one entry of Ar_Detail, with what it is in `role`:
--   item        registers a document (处理方式 = its type), or makes one of its own: the receivable for a note that came back (9C)
--   moved       brings what is left of a document to another customer (并账, BZ), who owes it from then on
--   settlement  takes something off a document, or off what was moved of it
-- `left_out` names the entries that are none of these. Debit is owed to us. A document is owed by each customer apart: what was
-- moved is an item of its own, `item_id` with the customer behind it.
WITH entry AS (
    SELECT
        *,
        coalesce(debit, 0) - coalesce(credit, 0) AS amount,
        coalesce(debit_local, 0) - coalesce(credit_local, 0) AS amount_local,
        voucher_type || '-' || voucher_no AS voucher_item,
        against_type || '-' || against_no AS against_item,
        coalesce(voucher_item = against_item, true) AS is_own,
        coalesce(process = voucher_type, true) OR process = '9C' AS is_registration,
        CASE WHEN flag >= 3 THEN 'not_in_the_balance' END AS left_out
    FROM ar_detail
),
registered AS (
    SELECT voucher_item, arg_min(customer, entry_id) AS customer, sign(sum(amount)) AS direction, max(due_date) AS due_on
    FROM entry
    WHERE left_out IS NULL AND is_own AND is_registration
    GROUP BY voucher_item
),
classified AS (
    SELECT
        entry.*,
        CASE
            WHEN left_out IS NOT NULL THEN NULL
            WHEN is_own AND is_registration THEN 'item'
            WHEN is_own AND process = 'BZ' AND registered.customer <> entry.customer AND sign(amount) = registered.direction
                THEN 'moved'
            ELSE 'settlement'
        END AS role,
        coalesce(entry.due_date, registered.due_on) AS due_on
    FROM entry
    LEFT JOIN registered ON registered.voucher_item = entry.voucher_item
),
moved AS (
    SELECT DISTINCT voucher_item, customer FROM classified WHERE role = 'moved'
)
SELECT
    classified.*,
    CASE WHEN moved.customer IS NULL THEN against_item ELSE against_item || '/' || classified.customer END AS item_id
FROM classified
LEFT JOIN moved ON moved.voucher_item = classified.against_item AND moved.customer = classified.customer
