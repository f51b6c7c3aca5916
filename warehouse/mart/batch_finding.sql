-- What a batch gave that is accepted, and yet counts for nothing, is not counted yet or may be another customer's, and the rows
-- that it deleted, by cause.
WITH RECURSIVE rated AS (
    SELECT max(as_of) AS as_of FROM ops.generation WHERE stage = 'rating'
), item AS (
    SELECT * FROM erp.receivables WHERE NOT is_deleted
), allocation AS (
    SELECT * FROM erp.payment_allocations WHERE NOT is_deleted
), cancelled AS (
    -- Only documents with a cancelled line are grouped, below only credit notes: of ten million lines it takes seconds to group all.
    SELECT company_code, document_id FROM erp.invoice_lines
    SEMI JOIN (FROM erp.invoice_lines WHERE NOT is_deleted AND is_cancelled) USING (company_code, document_id)
    WHERE NOT is_deleted
    GROUP BY ALL HAVING bool_and(is_cancelled)
), noted AS (
    SELECT company_code, document_id FROM erp.invoice_lines
    WHERE NOT is_deleted AND NOT is_cancelled AND document_type = 'credit_note'
    GROUP BY ALL HAVING sum(net_amount_company) > 0
), unturned AS (
    FROM noted ANTI JOIN (
        FROM erp.invoice_lines WHERE NOT is_deleted AND NOT is_cancelled AND document_type <> 'credit_note'
    ) USING (company_code, document_id)
), standing AS (
    -- Documents that still count, of those that another one cancels.
    SELECT DISTINCT company_code, document_id FROM erp.invoice_lines
    SEMI JOIN (
        SELECT company_code, reverses_document_id AS document_id FROM erp.invoice_lines WHERE NOT is_deleted AND is_cancelled
    ) USING (company_code, document_id)
    WHERE NOT is_deleted AND NOT is_cancelled
), owed AS (
    SELECT company_code, document_id, currency, sum(original_amount) AS original_amount FROM item
    WHERE document_id IS NOT NULL AND item_type IN ('invoice', 'credit_note', 'debit_note')
    GROUP BY ALL
), billed AS (
    SELECT company_code, document_id, min(currency) AS currency, sum(net_amount) AS net_amount
    FROM erp.invoice_lines SEMI JOIN owed USING (company_code, document_id)
    WHERE NOT is_deleted
    GROUP BY ALL HAVING min(currency) = max(currency) AND NOT bool_or(is_cancelled)
), overbilled AS (
    -- What a document claims is its lines' net amount and the tax; a little less comes of rounding.
    SELECT company_code, document_id FROM billed JOIN owed USING (company_code, document_id, currency)
    WHERE original_amount * sign(net_amount) < abs(net_amount) * 0.98
), foreign_day AS (
    SELECT DISTINCT company_code, currency, company_currency, invoice_date AS day, recorded_at FROM erp.invoice_lines
    WHERE NOT is_deleted AND currency <> company_currency
    UNION
    SELECT DISTINCT company_code, currency, company_currency, posting_date, recorded_at FROM item
    WHERE currency <> company_currency
), rate AS MATERIALIZED (
    SELECT company_code, from_currency AS currency, to_currency AS company_currency, rate_date, rate, recorded_at AS known_at
    FROM erp.fx_rates WHERE NOT is_deleted
), outdated AS (
    -- Days for which a rate came after what was converted of them, and the rate that was there then.
    SELECT company_code, currency, company_currency, day, recorded_at,
        arg_max(rate, rate_date) FILTER (known_at <= recorded_at) AS rate
    FROM foreign_day JOIN rate USING (company_code, currency, company_currency)
    WHERE rate_date <= day
    GROUP BY ALL
    HAVING arg_max(known_at, rate_date) > recorded_at
        AND arg_max(rate, rate_date) <> arg_max(rate, rate_date) FILTER (known_at <= recorded_at)
), unturned_payment AS (
    SELECT company_code, source_system, true AS is_unturned FROM item WHERE item_type = 'payment_on_account'
    GROUP BY ALL HAVING min(original_amount) > 0
), settled AS (
    SELECT company_code, item_id, sum(amount) AS amount FROM allocation GROUP BY ALL
), said_gone AS (
    SELECT company_code, payment_id FROM erp.payments WHERE is_deleted AND deleted_by IN ('tombstone', 'rule')
    UNION ALL
    SELECT company_code, item_id FROM erp.receivables AS r
    WHERE is_deleted AND deleted_by IN ('tombstone', 'rule') AND NOT EXISTS (
        FROM erp.payments AS p WHERE p.company_code = r.company_code AND p.payment_id = r.item_id)
), applied AS (
    SELECT company_code, payment_id, sum(amount) AS amount FROM allocation GROUP BY ALL
), code AS (
    -- Without the zeros in front, which a spreadsheet drops, or its apostrophe before a text, in one case, and no letter in the
    -- full width of Chinese and Japanese.
    SELECT company_code, customer_id,
        upper(ltrim(translate(
            customer_id,
            '０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ－＇',
            '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-'''), '''0')) AS bare,
        bool_or(has_master) AS has_master
    FROM (
        SELECT company_code, customer_id, true AS has_master FROM erp.customers WHERE NOT is_deleted
        UNION ALL
        SELECT DISTINCT company_code, customer_id, false FROM erp.invoice_lines WHERE NOT is_deleted
        UNION ALL
        SELECT DISTINCT company_code, customer_id, false FROM item
    )
    GROUP BY company_code, customer_id
), lookalike AS (
    SELECT company_code, bare FROM code GROUP BY ALL HAVING count(*) > 1 AND NOT bool_and(has_master)
), doubtful AS (
    SELECT company_code, customer_id FROM code JOIN lookalike USING (company_code, bare) WHERE NOT has_master
), succession AS (
    SELECT company_code, source_system, batch_id, old_customer_id, new_customer_id,
        row_number() OVER (ORDER BY company_code, valid_from, old_customer_id, new_customer_id) AS place,
        sum(coalesce(share, 1)) OVER (
            PARTITION BY company_code, old_customer_id ORDER BY valid_from, new_customer_id
            ROWS UNBOUNDED PRECEDING) AS given
    FROM erp.customer_successions CROSS JOIN rated
    WHERE NOT is_deleted AND valid_from <= as_of
), led_to AS (
    -- Whom a succession leads to by those that held before it.
    SELECT company_code, place, new_customer_id AS customer_id FROM succession
    UNION
    SELECT led_to.company_code, led_to.place, link.new_customer_id
    FROM led_to JOIN succession AS link
        ON link.company_code = led_to.company_code AND link.old_customer_id = led_to.customer_id AND link.place < led_to.place
), counted AS (
    SELECT company_code, a.source_system, a.batch_id, 'payment_allocations' AS table_name, 'allocation_without_item' AS finding,
        count(*) AS row_count
    FROM allocation AS a ANTI JOIN item USING (company_code, item_id)
    GROUP BY ALL
    UNION ALL
    SELECT a.company_code, a.source_system, a.batch_id, 'payment_allocations', 'allocation_of_cancelled_document', count(*)
    FROM allocation AS a
    JOIN item ON item.company_code = a.company_code AND item.item_id = a.item_id
    JOIN cancelled ON cancelled.company_code = item.company_code AND cancelled.document_id = item.document_id
    GROUP BY ALL
    UNION ALL
    SELECT company_code, a.source_system, a.batch_id, 'payment_allocations', 'allocation_of_deleted_payment', count(*)
    FROM allocation AS a SEMI JOIN item USING (company_code, item_id) SEMI JOIN said_gone USING (company_code, payment_id)
    GROUP BY ALL
    UNION ALL
    SELECT item.company_code, item.source_system, item.batch_id, 'receivables', 'paid_beyond_its_amount', count(*)
    FROM item JOIN settled USING (company_code, item_id)
    WHERE sign(settled.amount) = sign(item.original_amount) AND abs(settled.amount) > abs(item.original_amount)
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'receivables', 'owed_less_than_its_lines', count(*)
    FROM item SEMI JOIN overbilled USING (company_code, document_id)
    GROUP BY ALL
    UNION ALL
    SELECT item.company_code, item.source_system, item.batch_id, 'receivables', 'raised_by_what_settles_it', count(*)
    FROM item JOIN settled USING (company_code, item_id)
    WHERE sign(settled.amount) * sign(item.original_amount) < 0
    GROUP BY ALL
    UNION ALL
    -- A refund is a payment above 0; where no payment of the source is below it, nobody has turned their signs.
    SELECT company_code, source_system, batch_id, 'receivables', 'credit_item_above_zero', count(*)
    FROM item
    LEFT JOIN unturned_payment USING (company_code, source_system)
    WHERE original_amount > 0 AND (item_type = 'credit_note' OR item_type = 'payment_on_account' AND is_unturned)
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'receivables', 'settlement_unknown', count(*)
    FROM item WHERE item_settlement = 'unknown'
    GROUP BY ALL
    UNION ALL
    SELECT p.company_code, p.source_system, p.batch_id, 'payments', 'payment_beyond_its_items', count(*)
    FROM erp.payments AS p
    LEFT JOIN applied ON applied.company_code = p.company_code AND applied.payment_id = p.payment_id
    LEFT JOIN item ON item.company_code = p.company_code AND item.item_id = p.payment_id
    WHERE NOT p.is_deleted AND item.item_id IS NULL AND abs(p.amount) > abs(coalesce(applied.amount, 0))
    GROUP BY ALL
    UNION ALL
    -- Neither the document that cancels counts nor, where its extract did not come again, is the other one known to be cancelled.
    SELECT r.company_code, r.source_system, r.batch_id, 'invoice_lines', 'cancelled_document_still_counts', count(*)
    FROM erp.invoice_lines AS r
    SEMI JOIN standing
        ON standing.company_code = r.company_code AND standing.document_id = r.reverses_document_id
    WHERE NOT r.is_deleted AND r.is_cancelled
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'invoice_lines', 'credit_note_above_zero', count(*)
    FROM erp.invoice_lines SEMI JOIN unturned USING (company_code, document_id) WHERE NOT is_deleted
    GROUP BY ALL
    UNION ALL
    -- Cost is added up with the sign it has: a return that costs, or a sale that brings its cost in, comes of a mapping.
    SELECT company_code, source_system, batch_id, 'invoice_lines', 'cost_against_its_quantity', count(*)
    FROM erp.invoice_lines WHERE NOT is_deleted AND NOT is_cancelled AND sign(cost_amount_company) * sign(quantity) < 0
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'invoice_lines', 'charge_below_zero', count(*)
    FROM erp.invoice_lines
    WHERE NOT is_deleted AND NOT is_cancelled AND net_amount_company > 0 AND least(freight_amount, rebate_amount) < 0
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'invoice_lines', 'converted_by_an_older_rate', count(*)
    FROM erp.invoice_lines JOIN outdated USING (company_code, currency, company_currency, recorded_at)
    WHERE NOT is_deleted AND day = invoice_date
        AND net_amount_company = TRY_CAST(net_amount::DECIMAL(38, 6) * rate AS DECIMAL(18, 4))
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'receivables', 'converted_by_an_older_rate', count(*)
    FROM item JOIN outdated USING (company_code, currency, company_currency, recorded_at)
    WHERE day = posting_date AND original_amount_company = TRY_CAST(original_amount::DECIMAL(38, 6) * rate AS DECIMAL(18, 4))
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'invoice_lines', 'customer_code_like_another', count(*)
    FROM erp.invoice_lines SEMI JOIN doubtful USING (company_code, customer_id) WHERE NOT is_deleted
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'receivables', 'customer_code_like_another', count(*)
    FROM item SEMI JOIN doubtful USING (company_code, customer_id)
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'customer_successions', 'succession_circle', count(*)
    FROM succession SEMI JOIN led_to ON led_to.place = succession.place AND led_to.customer_id = succession.old_customer_id
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'customer_successions', 'succession_of_more_than_all', count(*)
    FROM succession WHERE given > 1
    GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'customer_assessments', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.customer_assessments WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'customers', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.customers WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'demand_estimates', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.demand_estimates WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'fx_rates', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.fx_rates WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'interactions', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.interactions WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'invoice_lines', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.invoice_lines WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'market_observations', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.market_observations WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'open_orders', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.open_orders WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'payment_allocations', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.payment_allocations WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'payments', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.payments WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'plans', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.plans WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'actions', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.actions WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'customer_successions', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.customer_successions WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'price_floors', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.price_floors WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'products', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.products WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'receivables', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.receivables WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'territories', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.territories WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'tier_overrides', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.tier_overrides WHERE is_deleted GROUP BY ALL
    UNION ALL
    SELECT company_code, source_system, batch_id, 'uom_conversions', 'deleted_by_' || coalesce(deleted_by, 'unknown'), count(*)
    FROM erp.uom_conversions WHERE is_deleted GROUP BY ALL
), dated_after AS (
    SELECT company_code, source_system, batch_id, 'invoice_lines' AS table_name, 'dated_after' AS finding, as_of AS dated_after,
        count(*) AS row_count, sum(net_amount_company) AS amount
    FROM erp.invoice_lines CROSS JOIN rated
    WHERE NOT is_deleted AND invoice_date > as_of
    GROUP BY ALL
)
SELECT company_code, source_system, batch_id, table_name, finding, row_count::BIGINT AS row_count, NULL::DATE AS dated_after,
    NULL::DECIMAL(38,4) AS net_sales
FROM counted
UNION ALL
SELECT company_code, source_system, batch_id, table_name, finding, row_count, dated_after, amount FROM dated_after
