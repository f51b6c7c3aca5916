-- Grain: one instalment of an invoice with several (Payment Schedule), as the part `owed_from` to `owed_to` of what is owed of
-- it, the first due first: payments settle them in this order, as ERPNext's own report applies them. What was paid in
-- advance is in no instalment: it comes first, due when the invoice was posted. Amounts are in the currency of the
-- customer's account; a schedule that promises more than is owed is not believed.
WITH invoice AS (
    SELECT
        voucher_item AS item_id, voucher_no,
        any_value(account_currency = company_currency) AS is_home_currency,
        min(posting_date) AS posted_on,
        sum(amount_in_account_currency) AS owed
    FROM ledger_entry
    WHERE role = 'item' AND voucher_type = 'Sales Invoice' AND amount > 0
    GROUP BY ALL
),
scheduled AS (
    SELECT
        invoice.*,
        schedule.idx,
        schedule.due_date AS due_on,
        CASE WHEN is_home_currency THEN schedule.base_payment_amount ELSE schedule.payment_amount END AS amount,
        count(*) OVER same AS terms,
        owed - sum(CASE WHEN is_home_currency THEN schedule.base_payment_amount ELSE schedule.payment_amount END) OVER same
            AS rest,
        row_number() OVER (PARTITION BY item_id ORDER BY schedule.due_date DESC, schedule.idx DESC) = 1 AS is_last
    FROM invoice
    JOIN payment_schedule AS schedule ON schedule.parent = invoice.voucher_no AND schedule.parenttype = 'Sales Invoice'
    WINDOW same AS (PARTITION BY item_id)
),
part AS (
    -- Each instalment is rounded to the cent by itself: what that leaves belongs to the last.
    SELECT
        item_id, idx, due_on, amount + CASE WHEN is_last AND abs(rest) <= 0.01 * terms THEN rest ELSE 0 END AS amount
    FROM scheduled
    WHERE terms > 1 AND rest >= -0.01 * terms
    UNION ALL
    SELECT item_id, 0, posted_on, rest
    FROM scheduled
    WHERE terms > 1 AND is_last AND rest > 0.01 * terms
)
SELECT
    item_id,
    item_id || '/' || idx AS term_id,
    due_on,
    sum(amount) OVER so_far - amount AS owed_from,
    sum(amount) OVER so_far AS owed_to,
    row_number() OVER so_far = 1 AS is_first,
    count(*) OVER (PARTITION BY item_id) = row_number() OVER so_far AS is_last
FROM part
WINDOW so_far AS (PARTITION BY item_id ORDER BY due_on, idx ROWS UNBOUNDED PRECEDING)
