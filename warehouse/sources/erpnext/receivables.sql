-- Grain: one voucher that is owed or owing, or one instalment of it (see term.sql): the ledger's entries of a voucher against
-- itself, summed. Entries against another voucher settle it (payment_allocations) and are no items, but for
--   a return, which is an item that is used up where it settles its invoice;
--   an advance, which names an order: a credit of its own until it is moved to an invoice;
--   a payment that was posted before the invoice it was moved to: a credit up to that invoice's day.
WITH entry AS (
    SELECT
        *,
        CASE
            WHEN role = 'item' THEN voucher_item
            WHEN role = 'advance' THEN voucher_item || '/' || against_voucher_no
            WHEN role = 'settlement' AND voucher_type = 'Sales Invoice' THEN voucher_item
            WHEN role = 'settlement' AND amount < 0 AND posting_date < settled_posted_on THEN voucher_item || '/' || against_item
        END AS item_id
    FROM ledger_entry
),
summed AS (
    SELECT
        *,
        sum(amount_in_account_currency) OVER same AS item_amount,
        sum(amount) OVER same AS item_amount_company,
        min(posting_date) OVER same AS posted_on,
        max(due_date) OVER same AS due_on,
        row_number() OVER (PARTITION BY item_id, party ORDER BY name) AS nth
    FROM entry
    WINDOW same AS (PARTITION BY item_id, party)
),
paid AS (
    -- How it was settled by what is no money; what is, the payments tell. A journal entry that is no write-off and no credit note
    -- may be anything; a difference of rates settles nothing.
    SELECT
        item_id, party,
        CASE
            WHEN bool_or(kind = 'write_off') THEN 'write_off'
            WHEN bool_and(kind = 'payment') THEN 'payment'
            WHEN bool_and(kind = 'return') THEN 'return'
            WHEN bool_or(kind = 'unknown') THEN 'unknown'
            WHEN bool_or(kind = 'credit_note') THEN 'credit_note'
        END AS settlement
    FROM (
        SELECT
            CASE role WHEN 'contra' THEN voucher_item ELSE against_item END AS item_id,
            party,
            CASE
                WHEN role = 'contra' OR is_money THEN 'payment'
                WHEN voucher_type = 'Sales Invoice' THEN 'return'
                WHEN journal_type = 'Write Off Entry' THEN 'write_off'
                WHEN journal_type = 'Credit Note' THEN 'credit_note'
                ELSE 'unknown'
            END AS kind
        FROM ledger_entry
        WHERE role IN ('settlement', 'contra') AND amount_in_account_currency <> 0
    )
    GROUP BY item_id, party
),
part AS (
    -- An instalment has the same share of the company amount, each bound rounded down so that nothing is lost between them.
    SELECT
        summed.*,
        term.term_id,
        term.due_on AS term_due_on,
        owed_to - owed_from AS term_amount,
        (CAST(item_amount_company * 10000 AS HUGEINT) * CAST(owed_to * 10000 AS HUGEINT)
            // CAST(item_amount * 10000 AS HUGEINT)
        - CAST(item_amount_company * 10000 AS HUGEINT) * CAST(owed_from * 10000 AS HUGEINT)
            // CAST(item_amount * 10000 AS HUGEINT))::DECIMAL(28, 0) * 0.0001 AS term_amount_company
    FROM summed
    LEFT JOIN term ON term.item_id = summed.item_id AND summed.nth = 1
)
SELECT
    coalesce(term_id, part.item_id) AS item_id,
    part.party AS customer_id,
    CASE voucher_type WHEN 'Sales Invoice' THEN voucher_no END AS document_id,
    CASE
        WHEN voucher_type = 'Sales Invoice' AND item_amount_company < 0 THEN 'credit_note'
        WHEN voucher_type = 'Sales Invoice' THEN 'invoice'
        WHEN role = 'advance' THEN 'advance'
        WHEN is_money THEN 'payment_on_account'
        ELSE 'other'
    END AS item_type,
    posted_on AS posting_date,
    coalesce(term_due_on, due_on, posted_on) AS due_date,
    coalesce(term_amount, item_amount) AS original_amount,
    account_currency AS currency,
    coalesce(term_amount_company, item_amount_company) AS original_amount_company,
    company_currency,
    CASE WHEN role = 'settlement' AND voucher_type <> 'Sales Invoice' THEN settled_posted_on END AS cleared_date,
    CASE WHEN is_cancelled THEN 'cancelled' ELSE paid.settlement END AS item_settlement,
    CASE WHEN role = 'advance' AND against_voucher_type = 'Sales Order' THEN against_voucher_no END AS references_order_id,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN part.item_id IS NULL THEN 'settles_an_item'
        WHEN nth > 1 THEN 'summed_into_its_item'
    END AS _excluded
FROM part
LEFT JOIN paid ON paid.item_id = part.item_id AND paid.party = part.party
