-- Amounts in this file are whole numbers of a ten-thousandth, of the item's own currency unless
-- they are called company amounts.
-- Three days are looked at: as_of; three months before it, from where collections are measured; and the end of the year of which
-- the contribution is, for what was written off in it.
CREATE OR REPLACE TABLE oracle.day AS
SELECT getvariable('as_of')::DATE AS on_day UNION SELECT (getvariable('as_of')::DATE - INTERVAL 3 MONTH)::DATE
UNION SELECT getvariable('closed_through')::DATE;

CREATE OR REPLACE MACRO to_company(amount, original, company_amount, is_own) AS
    CASE WHEN is_own THEN amount
         ELSE coalesce(half_even(company_amount * amount * sign(original)::HUGEINT, abs(original)), 0) END;

-- Grain: item and day, posted by then. Reading: a date of the dispute says more than the flag; who says no to a dispute that has
-- begun and bears no end has ended it on a day nobody knows. A dispute that bears its end lets lateness count from there.
CREATE OR REPLACE TABLE oracle.posted AS
WITH item AS (
    SELECT on_day, item.*, units4(original_amount) AS original, units4(original_amount_company) AS company_amount,
        currency = company_currency AS is_own,
        coalesce(cleared_date <= on_day, false) AS is_cleared,
        CASE WHEN disputed_from IS NOT NULL THEN disputed_from <= on_day
             ELSE coalesce(is_disputed, false) OR disputed_to IS NOT NULL END AND original_amount > 0 AS was_contested,
        coalesce(disputed_to <= on_day, false) AS has_dated_end
    FROM seen.receivables AS item
    JOIN oracle.day ON posting_date <= on_day
),
contest AS (
    SELECT *,
        was_contested AND NOT has_dated_end AND NOT (disputed_to IS NULL AND coalesce(NOT is_disputed, false)) AS is_contested,
        least(coalesce(units4(disputed_amount), original), original) AS contested,
        posting_date > on_day - INTERVAL 12 MONTH AS is_recent
    FROM item
),
-- disputes too many to count: some within a year, of a large share of what was billed in it
quarrel AS (
    SELECT on_day, company_code, customer_id,
        count(*) FILTER (is_recent AND was_contested) >= getvariable('credit.dispute_many_from')
        AND coalesce(sum(half_even(contested * company_amount, original)) FILTER (is_recent AND was_contested), 0)
            >= getvariable('credit.dispute_share_max') * coalesce(sum(company_amount) FILTER (is_recent AND company_amount > 0), 0) AS is_much
    FROM contest
    GROUP BY ALL
)
SELECT contest.*,
    item_type NOT IN ('payment_on_account', 'advance', 'deposit') AND (NOT was_contested OR has_dated_end) AS is_late_counted,
    CASE WHEN was_contested AND has_dated_end THEN greatest(due_date, disputed_to) ELSE due_date END AS late_from,
    is_contested AND (on_day - due_date > getvariable('credit.dispute_max_days') OR is_much) AS is_stale
FROM contest
JOIN quarrel USING (on_day, company_code, customer_id);

CREATE OR REPLACE TABLE oracle.allocation AS
SELECT on_day, posted.company_code, posted.customer_id, posted.currency, item_id, allocation.payment_id, allocated_on, units4(allocation.amount) AS amount,
    original > 0 AS is_owed, posting_date, due_date, item_type, item_settlement,
    greatest(coalesce(payment_date, allocated_on), posting_date) AS paid_on,
    CASE WHEN payment.amount > 0 THEN 'payment' ELSE coalesce(item_settlement, 'unknown') END AS kind
FROM oracle.posted
JOIN seen.payment_allocations AS allocation USING (company_code, item_id)
LEFT JOIN seen.payments AS payment ON payment.company_code = posted.company_code AND payment.payment_id = allocation.payment_id
WHERE allocated_on <= on_day;

-- What was allocated within the item, what clearing settled of it, and what is open: less than 0 where more came than was owed.
CREATE OR REPLACE TABLE oracle.credit_item AS
WITH allocated AS (
    SELECT on_day, company_code, item_id, sum(amount) AS applied, max(paid_on) AS last_paid_on FROM oracle.allocation GROUP BY ALL
),
open_item AS (
    SELECT posted.*, last_paid_on,
        CASE WHEN original > 0 THEN least(greatest(coalesce(applied, 0), 0), original)
             ELSE greatest(least(coalesce(applied, 0), 0), original) END AS within,
        CASE WHEN is_cleared THEN 0 ELSE original - coalesce(applied, 0) END AS rest
    FROM oracle.posted
    LEFT JOIN allocated USING (on_day, company_code, item_id)
)
SELECT *, CASE WHEN is_cleared THEN original - within ELSE 0 END AS cleared,
    CASE WHEN is_contested AND NOT is_stale THEN greatest(least(contested, rest), 0) ELSE 0 END AS in_dispute
FROM open_item;

-- Sets credits against debts of one key, each side in its own order, until one of them is used up.
CREATE OR REPLACE MACRO oracle.meet(covering, debts) AS TABLE
WITH c AS (
    SELECT key, id, posted, kind, amount, sum(amount) OVER (PARTITION BY key ORDER BY ord) AS upto
    FROM query_table(covering) WHERE amount > 0
),
d AS (
    SELECT key, id, amount, sum(amount) OVER (PARTITION BY key ORDER BY ord) AS upto FROM query_table(debts) WHERE amount > 0
)
SELECT c.id AS credit, d.id AS debt, posted, kind, (least(c.upto, d.upto) - greatest(c.upto - c.amount, d.upto - d.amount))::HUGEINT AS met
FROM c JOIN d ON c.key = d.key
WHERE least(c.upto, d.upto) > greatest(c.upto - c.amount, d.upto - d.amount);

CREATE OR REPLACE MACRO kind_of_credit(item_type, settlement) AS CASE
    WHEN item_type = 'credit_note' THEN 'credit_note'
    WHEN item_type = 'other' AND settlement IN ('set_off', 'write_off', 'transfer') THEN settlement
    ELSE 'payment' END;

-- 1. What was allocated together with credits is covered by them first, oldest due first; the rest by the payment.
CREATE OR REPLACE TABLE oracle.c1 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': payment_id} AS key, {'f1': on_day, 'f2': company_code, 'f3': item_id} AS id,
    {'f1': any_value(posting_date), 'f2': item_id} AS ord, any_value(posting_date) AS posted, kind_of_credit(any_value(item_type), any_value(item_settlement)) AS kind, -sum(amount) AS amount
FROM oracle.allocation
WHERE NOT is_owed AND amount < 0
GROUP BY on_day, company_code, customer_id, currency, payment_id, item_id;

CREATE OR REPLACE TABLE oracle.d1 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': payment_id} AS key, {'f1': on_day, 'f2': company_code, 'f3': item_id, 'f4': payment_id, 'f5': allocated_on} AS id,
    {'f1': any_value(due_date), 'f2': any_value(posting_date), 'f3': item_id, 'f4': allocated_on} AS ord,
    on_day, company_code, item_id, any_value(paid_on) AS paid_on, any_value(kind) AS kind, sum(amount) AS amount
FROM oracle.allocation
WHERE is_owed AND amount > 0
GROUP BY on_day, company_code, customer_id, currency, payment_id, item_id, allocated_on;

CREATE OR REPLACE TABLE oracle.m1 AS FROM oracle.meet('oracle.c1', 'oracle.d1');

CREATE OR REPLACE TABLE oracle.allocated_part AS
WITH part AS (
    SELECT d.on_day, d.company_code, d.item_id, m.kind, m.posted AS settled_on, met AS amount
    FROM oracle.m1 AS m JOIN oracle.d1 AS d ON d.id = m.debt
    UNION ALL
    SELECT on_day, company_code, item_id, kind, paid_on, amount - coalesce((SELECT sum(met) FROM oracle.m1 WHERE debt = d1.id), 0)
    FROM oracle.d1
),
-- what was overpaid, or allocated and taken back, is cut off at the end
summed AS (
    SELECT on_day, company_code, item_id, kind, settled_on, sum(amount)::HUGEINT AS amount FROM part WHERE amount > 0 GROUP BY ALL
),
laid AS (
    SELECT summed.*, sum(amount) OVER (PARTITION BY on_day, company_code, item_id ORDER BY settled_on, kind) AS upto, within
    FROM summed JOIN oracle.credit_item USING (on_day, company_code, item_id)
)
SELECT on_day, company_code, item_id, kind, settled_on, least(upto, within) - (upto - amount) AS amount FROM laid;

-- 2. Cleared together: credits of the customer cleared on the day by the same posting, so far as it is known, cover its items of
-- that day.
CREATE OR REPLACE TABLE oracle.c2 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': cleared_date, 'f6': coalesce(clearing_id, '')} AS key, {'f1': on_day, 'f2': company_code, 'f3': item_id} AS id, {'f1': posting_date, 'f2': item_id} AS ord,
    posting_date AS posted, kind_of_credit(item_type, item_settlement) AS kind, -cleared AS amount
FROM oracle.credit_item WHERE cleared < 0;

CREATE OR REPLACE TABLE oracle.d2 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': cleared_date, 'f6': coalesce(clearing_id, '')} AS key, {'f1': on_day, 'f2': company_code, 'f3': item_id} AS id,
    {'f1': due_date, 'f2': posting_date, 'f3': item_id} AS ord, on_day, company_code, item_id, item_settlement, cleared_date, cleared AS amount
FROM oracle.credit_item WHERE cleared > 0;

CREATE OR REPLACE TABLE oracle.m2 AS FROM oracle.meet('oracle.c2', 'oracle.d2');

-- … and what that leaves, credits in another currency, by what both are worth in company currency.
CREATE OR REPLACE TABLE oracle.c2_other AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': cleared_date, 'f5': coalesce(clearing_id, '')} AS key, c2.id, c2.ord, c2.posted, c2.kind,
    to_company((c2.amount - coalesce((SELECT sum(met) FROM oracle.m2 WHERE credit = c2.id), 0))::HUGEINT, original, company_amount, is_own) AS amount
FROM oracle.c2 JOIN oracle.credit_item AS i ON c2.id = {'f1': i.on_day, 'f2': i.company_code, 'f3': i.item_id};
CREATE OR REPLACE TABLE oracle.d2_other AS
SELECT {'f1': i.on_day, 'f2': i.company_code, 'f3': i.customer_id, 'f4': i.cleared_date, 'f5': coalesce(i.clearing_id, '')} AS key, d2.id, d2.ord,
    left_over AS whole, to_company(left_over, original, company_amount, is_own) AS amount
FROM (SELECT d2.*, (amount - coalesce((SELECT sum(met) FROM oracle.m2 WHERE debt = d2.id), 0))::HUGEINT AS left_over FROM oracle.d2) AS d2 JOIN oracle.credit_item AS i ON d2.id = {'f1': i.on_day, 'f2': i.company_code, 'f3': i.item_id};
INSERT INTO oracle.m2
SELECT credit, debt, posted, kind, (half_even(whole * sum(met) OVER of_debt, worth) - half_even(whole * (sum(met) OVER of_debt - met), worth))::HUGEINT
FROM (SELECT m.*, d.whole, d.amount AS worth, c.ord FROM oracle.meet('oracle.c2_other', 'oracle.d2_other') AS m
      JOIN oracle.d2_other AS d ON d.id = m.debt JOIN oracle.c2_other AS c ON c.id = m.credit)
WINDOW of_debt AS (PARTITION BY debt ORDER BY ord);

-- 3. Not applied yet. A credit that names a document covers that document, its disputed part first; an advance its order's
-- items; the rest covers what is undisputed. Deposits, and credits that nobody can tell what they are, cover nothing by themselves.
CREATE OR REPLACE TABLE oracle.slot AS
SELECT on_day, company_code, customer_id, currency, item_id, document_id, references_order_id, is_disputed_part,
    {'f1': on_day, 'f2': company_code, 'f3': item_id, 'f4': is_disputed_part} AS id, due_date, posting_date, CASE WHEN is_disputed_part THEN in_dispute ELSE rest - in_dispute END AS amount
FROM oracle.credit_item CROSS JOIN (VALUES (true), (false)) AS part (is_disputed_part)
WHERE rest > 0;

CREATE OR REPLACE TABLE oracle.open_credit AS
SELECT on_day, company_code, customer_id, currency, {'f1': on_day, 'f2': company_code, 'f3': item_id} AS id, item_id, -rest AS amount,
    CASE WHEN original > 0 THEN last_paid_on ELSE posting_date END AS posted,
    CASE WHEN original > 0 THEN 'payment_on_account' ELSE item_type END AS item_type, item_settlement,
    CASE WHEN original <= 0 THEN references_document_id END AS document,
    CASE WHEN original <= 0 THEN document_id END AS own_document, (-original)::HUGEINT AS total,
    CASE WHEN original <= 0 THEN references_order_id END AS order_named
FROM oracle.credit_item
WHERE rest < 0 AND (original > 0 OR item_type <> 'deposit');

-- A credit that names no document may name some on its lines: all for the one that all of them name, otherwise to each the share of
-- its lines, less what it got already; what lines are worth that name none is for nobody.
CREATE OR REPLACE TABLE oracle.named AS
WITH worth AS (
    SELECT *, count(*) OVER (PARTITION BY company_code, own_document) AS several
    FROM (SELECT company_code, document_id AS own_document, references_document_id AS document,
              greatest(-sum(units4(net_amount)), 0)::HUGEINT AS weight
          FROM seen.invoice_lines
          GROUP BY ALL)
), shared AS (
    SELECT c.on_day, c.company_code, c.customer_id, c.currency, c.id, c.item_id, c.posted, c.item_type, c.item_settlement, c.amount, worth.document,
        CASE WHEN several = 1 THEN total
             ELSE coalesce(half_even(total * sum(weight) OVER upto, sum(weight) OVER of_all)
                 - half_even(total * (sum(weight) OVER upto - weight), sum(weight) OVER of_all), 0) END AS share
    FROM oracle.open_credit AS c
    JOIN worth ON worth.company_code = c.company_code AND worth.own_document = c.own_document
    WHERE c.document IS NULL
    WINDOW of_all AS (PARTITION BY id), upto AS (PARTITION BY id ORDER BY worth.document NULLS LAST)
), got AS (
    SELECT a.on_day, a.company_code, a.customer_id, a.currency, a.payment_id, p.document_id, sum(a.amount) AS got
    FROM oracle.allocation AS a
    JOIN oracle.posted AS p ON p.on_day = a.on_day AND p.company_code = a.company_code AND p.item_id = a.item_id
    WHERE a.is_owed
    GROUP BY ALL
), claimed AS (
    SELECT shared.*, greatest(share - coalesce(got, 0), 0)::HUGEINT AS claim
    FROM shared
    LEFT JOIN got ON got.on_day = shared.on_day AND got.company_code = shared.company_code AND got.customer_id = shared.customer_id
        AND got.currency = shared.currency AND got.payment_id = shared.item_id AND got.document_id = shared.document
    WHERE shared.document IS NOT NULL
)
SELECT on_day, company_code, customer_id, currency, id, item_id, posted, item_type, item_settlement, document, amount FROM oracle.open_credit WHERE document IS NOT NULL
UNION ALL
SELECT on_day, company_code, customer_id, currency, id, item_id, posted, item_type, item_settlement, document,
    coalesce(half_even(least(amount, sum(claim) OVER of_all) * sum(claim) OVER upto, sum(claim) OVER of_all)
        - half_even(least(amount, sum(claim) OVER of_all) * (sum(claim) OVER upto - claim), sum(claim) OVER of_all), 0)::HUGEINT
FROM claimed
WINDOW of_all AS (PARTITION BY id), upto AS (PARTITION BY id ORDER BY document);

CREATE OR REPLACE TABLE oracle.c3 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': document} AS key, id, {'f1': posted, 'f2': item_id} AS ord, posted, kind_of_credit(item_type, item_settlement) AS kind, amount
FROM oracle.named;
CREATE OR REPLACE TABLE oracle.d3 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': document_id} AS key, id, {'f1': NOT is_disputed_part, 'f2': due_date, 'f3': posting_date, 'f4': item_id} AS ord, amount
FROM oracle.slot WHERE document_id IS NOT NULL;
CREATE OR REPLACE TABLE oracle.m3 AS FROM oracle.meet('oracle.c3', 'oracle.d3');

CREATE OR REPLACE TABLE oracle.slot_left AS
SELECT * REPLACE (amount - coalesce((SELECT sum(met) FROM oracle.m3 WHERE debt = slot.id), 0) AS amount) FROM oracle.slot;
CREATE OR REPLACE TABLE oracle.credit_left AS
SELECT * REPLACE (amount - coalesce((SELECT sum(met) FROM oracle.m3 WHERE credit = open_credit.id), 0) AS amount) FROM oracle.open_credit;

CREATE OR REPLACE TABLE oracle.c4 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': order_named} AS key, id, {'f1': posted, 'f2': item_id} AS ord, posted, kind_of_credit(item_type, item_settlement) AS kind, amount
FROM oracle.credit_left WHERE order_named IS NOT NULL;
CREATE OR REPLACE TABLE oracle.d4 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency, 'f5': references_order_id} AS key, id, {'f1': NOT is_disputed_part, 'f2': due_date, 'f3': posting_date, 'f4': item_id} AS ord, amount
FROM oracle.slot_left WHERE references_order_id IS NOT NULL;
CREATE OR REPLACE TABLE oracle.m4 AS FROM oracle.meet('oracle.c4', 'oracle.d4');

CREATE OR REPLACE TABLE oracle.c5 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency} AS key, id, {'f1': posted, 'f2': item_id} AS ord, posted, kind_of_credit(item_type, item_settlement) AS kind, amount
FROM oracle.credit_left WHERE order_named IS NULL AND item_type NOT IN ('advance', 'other');
CREATE OR REPLACE TABLE oracle.d5 AS
SELECT {'f1': on_day, 'f2': company_code, 'f3': customer_id, 'f4': currency} AS key, id, {'f1': due_date, 'f2': posting_date, 'f3': item_id} AS ord,
    amount - coalesce((SELECT sum(met) FROM oracle.m4 WHERE debt = slot_left.id), 0) AS amount
FROM oracle.slot_left WHERE NOT is_disputed_part;
CREATE OR REPLACE TABLE oracle.m5 AS FROM oracle.meet('oracle.c5', 'oracle.d5');

CREATE OR REPLACE TABLE oracle.covered AS
SELECT on_day, company_code, item_id, is_disputed_part, posted, kind, met
FROM (FROM oracle.m3 UNION ALL FROM oracle.m4 UNION ALL FROM oracle.m5) AS m
JOIN oracle.slot ON slot.id = m.debt;

-- Grain: settled part of an item that was owed. Nothing settles it before it was posted, nor after the day looked at.
CREATE OR REPLACE TABLE oracle.part AS
WITH part AS (
    SELECT on_day, company_code, item_id, kind, settled_on, amount FROM oracle.allocated_part
    UNION ALL
    SELECT d.on_day, d.company_code, d.item_id,
        CASE WHEN item_settlement <> 'unknown' THEN item_settlement ELSE m.kind END, m.posted, met
    FROM oracle.m2 AS m JOIN oracle.d2 AS d ON d.id = m.debt
    UNION ALL
    SELECT on_day, company_code, item_id, coalesce(item_settlement, 'unknown'), cleared_date,
        amount - coalesce((SELECT sum(met) FROM oracle.m2 WHERE debt = d2.id), 0)
    FROM oracle.d2
    UNION ALL
    SELECT on_day, company_code, item_id, kind, posted, met FROM oracle.covered
)
SELECT on_day, company_code, customer_id, item_id, kind, kind IN ('payment', 'set_off', 'bill', 'unknown') AS is_payment,
    greatest(least(settled_on, on_day), posting_date) AS settled_on, amount::HUGEINT AS matched,
    from_units4(to_company(amount::HUGEINT, original, company_amount, is_own))::DECIMAL(38, 4) AS part,
    late_from, is_late_counted, original, original_amount_company AS item_amount,
    CASE WHEN kind = 'bill' AND item_settlement = 'bill'
         THEN coalesce(bill_due_on, cleared_date + getvariable('credit.bill_days')::INTEGER) END AS bill_until
FROM part
JOIN oracle.credit_item USING (on_day, company_code, item_id)
WHERE amount > 0;

-- Grain: item and day, in company money: open, gross and net of what credits cover, what is in dispute apart.
CREATE OR REPLACE TABLE oracle.ledger AS
WITH cover AS (
    SELECT on_day, company_code, item_id, sum(met) AS covered, sum(met) FILTER (is_disputed_part) AS covered_dispute
    FROM oracle.covered GROUP BY ALL
),
rest AS (
    SELECT item.*, in_dispute - coalesce(covered_dispute, 0) AS left_in_dispute, greatest(rest, 0) - coalesce(covered, 0) AS left_in_all
    FROM oracle.credit_item AS item
    LEFT JOIN cover USING (on_day, company_code, item_id)
)
SELECT on_day, company_code, customer_id, item_id, item_type, posting_date, due_date, late_from, is_late_counted, is_contested, is_stale,
    promised_on, original_amount_company::DECIMAL(38, 4) AS amount, (on_day - due_date)::INTEGER AS days_past_due,
    from_units4(to_company(rest, original, company_amount, is_own))::DECIMAL(38, 4) AS open_amount,
    from_units4(to_company(left_in_dispute, original, company_amount, is_own))::DECIMAL(38, 4) AS net_dispute,
    (from_units4(to_company(left_in_all::HUGEINT, original, company_amount, is_own))
        - from_units4(to_company(left_in_dispute, original, company_amount, is_own)))::DECIMAL(38, 4) AS net_open
FROM rest;
