-- Grain: what one voucher took off another, or off one instalment of it, on a day; entries of the same two vouchers on one day
-- are summed. The ledger signs an entry by what it does to the balance; here it has the sign of the item it settles. What
-- was paid before the invoice was posted settles it on the invoice's day. What is taken off a payment's advances, when they are
-- moved to an invoice, is taken off what names no order first, then off the orders by number.
WITH advance AS (
    SELECT
        voucher_no,
        party,
        CASE role WHEN 'advance' THEN voucher_item || '/' || against_voucher_no ELSE voucher_item END AS item_id,
        -sum(amount_in_account_currency) AS amount
    FROM ledger_entry
    WHERE is_advanced AND role IN ('item', 'advance')
    GROUP BY ALL
),
credit AS (
    SELECT
        voucher_no, party, item_id,
        sum(amount) OVER so_far - amount AS from_amount,
        CASE WHEN row_number() OVER so_far = count(*) OVER (PARTITION BY voucher_no, party) THEN 1e12::DECIMAL(38, 9)
             ELSE sum(amount) OVER so_far END AS to_amount
    FROM advance
    WINDOW so_far AS (PARTITION BY voucher_no, party ORDER BY item_id ROWS UNBOUNDED PRECEDING)
),
taken AS (
    SELECT
        name, voucher_no, party, amount_in_account_currency AS amount,
        sum(amount_in_account_currency) OVER (
            PARTITION BY voucher_no, party ORDER BY posting_date, name ROWS UNBOUNDED PRECEDING
        ) AS taken_to
    FROM ledger_entry
    WHERE is_advanced AND role = 'contra'
),
used AS (
    SELECT
        taken.name, credit.item_id,
        least(taken_to, to_amount) - greatest(taken_to - amount, from_amount) AS amount
    FROM taken
    JOIN credit ON credit.voucher_no = taken.voucher_no AND credit.party = taken.party
    WHERE least(taken_to, to_amount) > greatest(taken_to - amount, from_amount)
),
settlement AS (
    SELECT
        ledger_entry.* REPLACE (coalesce(used.amount, amount_in_account_currency) AS amount_in_account_currency),
        voucher_item AS payment_id,
        coalesce(used.item_id, CASE role WHEN 'contra' THEN voucher_item ELSE against_item END) AS item_id,
        greatest(posting_date, settled_posted_on) AS allocated_on,
        CASE
            WHEN left_out IS NOT NULL THEN left_out
            WHEN role = 'item' THEN 'the_item_itself'
            WHEN role = 'advance' THEN 'an_advance'
        END AS excluded
    FROM ledger_entry
    LEFT JOIN used ON used.name = ledger_entry.name
),
pair AS (
    SELECT
        *,
        -sum(amount_in_account_currency) OVER same AS amount_settled,
        row_number() OVER (
            PARTITION BY excluded, voucher_type, payment_id, item_id, party, allocated_on ORDER BY name
        ) AS nth
    FROM settlement
    WINDOW same AS (PARTITION BY excluded, voucher_type, payment_id, item_id, party, allocated_on)
),
applied AS (
    -- How much of the item was settled with this pair and before it.
    SELECT
        payment_id, item_id, party, allocated_on, amount_settled, _file, _row,
        sum(amount_settled) OVER (
            PARTITION BY item_id, party ORDER BY allocated_on, payment_id, voucher_type ROWS UNBOUNDED PRECEDING
        ) AS settled_to
    FROM pair
    WHERE excluded IS NULL AND nth = 1
),
bounds AS (
    -- The first instalment takes all that is settled below its end, the last all above its beginning.
    SELECT
        item_id, term_id,
        CASE WHEN is_first THEN -1e12::DECIMAL(38, 9) ELSE owed_from END AS lowest,
        CASE WHEN is_last THEN 1e12::DECIMAL(38, 9) ELSE owed_to END AS highest
    FROM term
),
part AS (
    SELECT
        applied.*,
        coalesce(term.term_id, applied.item_id) AS part_id,
        CASE
            WHEN term.term_id IS NULL THEN amount_settled
            ELSE least(greatest(settled_to, lowest), highest) - least(greatest(settled_to - amount_settled, lowest), highest)
        END AS part_amount
    FROM applied
    LEFT JOIN bounds AS term ON term.item_id = applied.item_id
)
SELECT payment_id, part_id AS item_id, allocated_on, part_amount AS amount, _file, _row, NULL AS _excluded
FROM part
WHERE part_id = item_id OR part_amount <> 0
UNION ALL
SELECT
    payment_id, item_id, allocated_on, amount_settled, _file, _row, coalesce(excluded, 'summed_into_its_pair')
FROM pair
WHERE excluded IS NOT NULL OR nth > 1
UNION ALL
-- A return is used up by what it settles.
SELECT payment_id, payment_id, allocated_on, -sum(amount_settled), arg_min(_file, name), arg_min(_row, name), NULL
FROM pair
WHERE excluded IS NULL AND nth = 1 AND role = 'settlement' AND voucher_type = 'Sales Invoice'
GROUP BY payment_id, allocated_on
