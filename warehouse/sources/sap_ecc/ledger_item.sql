-- Grain: one record of the customer ledger: BSID holds the open items, BSAD the cleared ones. What its invoice reference
-- (REBZG, REBZJ, REBZZ) says of it is in `role`:
--   allocation  a credit that names an item (a partial payment, REBZT Z, or a credit memo) takes `applied` off it from
--               `applied_on` on, in the order of posting and never more than the item has. SAP clears both on one day; a
--               credit that is cleared on another day than what it names, or by another document (AUGBL), is owed by itself,
--               and settles nothing.
--   residual    what was left when the item it names was cleared by less (REBZT V). It goes on being owed under that
--               item's due date, so it is no item of its own: `root_id` is the first item of the chain.
-- Without the year, the reference is to the one item of that number of this customer; a single letter (V keeps the terms of
-- payment) names nothing.
WITH RECURSIVE record AS (
    SELECT
        concat_ws('/', BELNR, GJAHR, BUZEI) AS item_id,
        row_number() OVER (PARTITION BY BSID_BSAD.BUKRS, BELNR, GJAHR, BUZEI ORDER BY _file, _row) = 1 AS is_first,
        BSID_BSAD.*,
        company.WAERS AS company_currency,
        WRBTR::DECIMAL(38, 6) * CASE WHEN own.currency IS NULL THEN 1 ELSE own.factor END AS amount,
        DMBTR::DECIMAL(38, 6) * CASE WHEN home.currency IS NULL THEN 1 ELSE home.factor END AS amount_company,
        CASE SHKZG WHEN 'S' THEN 1 WHEN 'H' THEN -1 END AS direction,
        CASE
            WHEN BSID_BSAD.BUKRS <> company.BUKRS THEN 'other_company_code'
            WHEN BSTAT = 'S' THEN 'noted_item'
            WHEN UMSKZ = 'G' THEN 'guarantee'                  -- posted for the notes to the balance sheet: nobody owes it
        END AS left_out,
        -- The net term is the last one given: three terms with two discounts, or one without.
        coalesce(nullif(ZBD3T, 0), nullif(ZBD2T, 0), nullif(ZBD1T, 0), 0) AS net_days,
        CASE WHEN NOT regexp_full_match(REBZG, '[A-Z]') THEN REBZG END AS named_number
    FROM BSID_BSAD
    CROSS JOIN company
    LEFT JOIN amount_factor AS own ON own.currency = BSID_BSAD.WAERS
    LEFT JOIN amount_factor AS home ON home.currency = company.WAERS
),
item AS (
    FROM record
    WHERE left_out IS NULL AND is_first AND direction IS NOT NULL AND amount IS NOT NULL
),
reference AS (
    SELECT naming.item_id, min(named.item_id) AS named_id
    FROM item AS naming
    JOIN item AS named
        ON named.BELNR = naming.named_number
        AND named.KUNNR = naming.KUNNR
        AND named.item_id <> naming.item_id
        AND (nullif(naming.REBZJ, '0000') IS NULL OR named.GJAHR = naming.REBZJ)
        AND (nullif(naming.REBZZ, '000') IS NULL OR lpad(named.BUZEI, 3, '0') = lpad(naming.REBZZ, 3, '0'))
    GROUP BY naming.item_id
    HAVING count(*) = 1
),
classified AS (
    SELECT
        item.item_id,
        named.item_id AS named_id,
        item.amount,
        item.BUDAT,
        named.BUDAT AS named_on,
        named.amount AS named_amount,
        named.direction AS named_direction,
        CASE
            WHEN item.named_number IS NULL THEN NULL
            WHEN named.item_id IS NULL AND (item.direction > 0 OR item.REBZT = 'V') THEN NULL
            WHEN named.item_id IS NULL THEN 'allocation_without_item'
            WHEN item.direction = named.direction AND item.REBZT = 'V' AND item.WAERS = named.WAERS
                AND named.AUGDT IS NOT NULL AND item.amount <= named.amount THEN 'residual'
            WHEN item.direction = named.direction OR item.REBZT = 'V' THEN NULL
            WHEN item.WAERS <> named.WAERS THEN 'allocation_in_other_currency'
            WHEN item.AUGDT IS DISTINCT FROM named.AUGDT OR item.AUGBL <> named.AUGBL THEN 'cleared_apart_from_its_item'
            ELSE 'allocation'
        END AS role
    FROM item
    LEFT JOIN reference ON reference.item_id = item.item_id
    LEFT JOIN item AS named ON named.item_id = reference.named_id
),
chain AS (
    SELECT item_id, named_id AS root_id, 1 AS length FROM classified WHERE role = 'residual'
    UNION
    SELECT chain.item_id, classified.named_id, chain.length + 1
    FROM chain
    JOIN classified ON classified.item_id = chain.root_id AND classified.role = 'residual'
    WHERE chain.length < 100                                   -- items that name one another in a circle end here
),
root AS (
    SELECT item_id, arg_max(root_id, length) AS root_id FROM chain GROUP BY item_id
),
allocation AS (
    SELECT
        item_id,
        greatest(BUDAT, named_on) AS applied_on,
        sum(amount) OVER so_far AS used,
        least(used, named_amount) - least(used - amount, named_amount) AS applied
    FROM classified
    WHERE role = 'allocation'
    WINDOW so_far AS (PARTITION BY named_id ORDER BY BUDAT, item_id ROWS UNBOUNDED PRECEDING)
),
taken AS (
    -- What credits and residuals leave of a cleared item: paid on the day it was cleared.
    SELECT
        classified.named_id,
        sum(CASE WHEN role = 'residual' THEN classified.amount ELSE allocation.applied END) AS amount,
        min(classified.item_id) FILTER (role = 'residual') AS first_residual_id
    FROM classified
    LEFT JOIN allocation ON allocation.item_id = classified.item_id
    WHERE role IN ('residual', 'allocation')
    GROUP BY classified.named_id
),
reversed AS (
    -- XREVERSAL: 1 was reversed, 2 reverses; STBLG and STJAH name the other of the two.
    SELECT DISTINCT BUKRS, BELNR, GJAHR FROM BKPF WHERE XREVERSAL IN ('1', '2') AND STBLG IS NOT NULL
),
cancelled AS (
    SELECT DISTINCT VBELN FROM VBRK WHERE FKSTO OR VBTYP IN ('N', 'S')
),
transfer AS (
    -- A document that clears items by a credit of its own and owes as much anew, without money: their debt was moved, to another
    -- special ledger (doubtful), other terms or another customer.
    SELECT BUKRS, BELNR, BUDAT
    FROM item
    WHERE BLART NOT IN ('DZ', 'KZ', 'ZP')
    GROUP BY BUKRS, BELNR, BUDAT
    HAVING sum(amount) FILTER (direction < 0 AND AUGBL = BELNR AND AUGDT = BUDAT)
        = sum(amount) FILTER (direction > 0 AND (AUGBL = BELNR AND AUGDT = BUDAT) IS NOT TRUE)
),
used_advance AS (
    -- A document that takes a down payment off: what it credits is that money.
    SELECT DISTINCT BUKRS, BELNR, GJAHR FROM item WHERE direction > 0 AND UMSKZ = 'A'
),
end_of_chain AS (
    -- The first item is settled when the last residual is.
    SELECT
        root.root_id,
        CASE WHEN count(*) = count(item.AUGDT) THEN max(item.AUGDT) END AS cleared_on,
        arg_max(item.AUGBL, (item.AUGDT, item.AUGBL)) AS cleared_by
    FROM root
    JOIN item ON item.item_id = root.item_id
    WHERE root.item_id NOT IN (SELECT named_id FROM classified WHERE role = 'residual')
    GROUP BY root.root_id
)
SELECT
    record.*,
    classified.role,
    coalesce(root_of_named.root_id, classified.named_id) AS root_id,
    classified.named_direction,
    CASE
        WHEN classified.role = 'allocation' THEN allocation.applied
        WHEN taken.first_residual_id = record.item_id THEN greatest(classified.named_amount - taken.amount, 0)
        ELSE 0
    END AS applied,
    CASE WHEN classified.role = 'residual' THEN named.AUGDT ELSE allocation.applied_on END AS applied_on,
    CASE WHEN end_of_chain.root_id IS NULL THEN record.AUGDT ELSE end_of_chain.cleared_on END AS cleared_on,
    CASE WHEN end_of_chain.root_id IS NULL THEN record.AUGBL ELSE end_of_chain.cleared_by END AS cleared_by,
    CASE
        WHEN record.AUGDT IS NULL OR end_of_chain.root_id IS NOT NULL THEN NULL
        WHEN reversed.BELNR IS NOT NULL THEN 'reversal'
        WHEN cancelled.VBELN IS NOT NULL THEN 'cancelled'
        -- A debit that its own document clears takes a credit back: a payment that was reversed, or paid out again.
        WHEN record.direction > 0 AND record.AUGDT = record.BUDAT
            AND coalesce(record.AUGBL = record.BELNR, record.BLART IN ('DZ', 'KZ', 'ZP')) THEN 'reversal'
        WHEN record.direction > 0 AND transfer.BELNR IS NOT NULL THEN 'transfer'
        -- The ledger of customers does not show what else such a document posts: money, a loss, or what is owed to the customer.
        WHEN record.direction < 0 AND record.BLART NOT IN ('DZ', 'KZ', 'ZP', 'RV', 'DR', 'DG') AND record.UMSKZ IS DISTINCT FROM 'A'
            AND transfer.BELNR IS NULL AND used_advance.BELNR IS NULL THEN 'unknown'
    END AS item_settlement
FROM record
LEFT JOIN classified ON classified.item_id = record.item_id AND record.is_first AND record.left_out IS NULL
LEFT JOIN item AS named ON named.item_id = classified.named_id
LEFT JOIN root AS root_of_named ON root_of_named.item_id = classified.named_id
LEFT JOIN allocation ON allocation.item_id = classified.item_id
LEFT JOIN taken ON taken.named_id = classified.named_id
LEFT JOIN end_of_chain ON end_of_chain.root_id = classified.item_id
LEFT JOIN reversed
    ON reversed.BUKRS = record.BUKRS AND reversed.BELNR = record.BELNR AND reversed.GJAHR = record.GJAHR
LEFT JOIN cancelled ON cancelled.VBELN = record.VBELN
LEFT JOIN transfer
    ON transfer.BUKRS = record.BUKRS AND transfer.BELNR = record.AUGBL AND transfer.BUDAT = record.AUGDT
LEFT JOIN used_advance
    ON used_advance.BUKRS = record.BUKRS AND used_advance.BELNR = record.BELNR AND used_advance.GJAHR = record.GJAHR
