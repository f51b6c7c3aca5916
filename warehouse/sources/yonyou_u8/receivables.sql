-- Grain: one document of the customer ledger, or what was moved of it to another customer: the entries that made it, summed
-- over the document's lines. Every other entry settles it: see payment_allocations.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
),
item AS (
    SELECT
        *,
        sum(amount) OVER document AS item_amount,
        sum(amount_local) OVER document AS item_amount_local,
        min(registered_on) OVER document AS posted_on,
        max(due_on) OVER document AS item_due_on,
        row_number() OVER (PARTITION BY left_out, role, item_id, customer ORDER BY entry_id) AS nth
    FROM ledger_entry
    WINDOW document AS (PARTITION BY left_out, role, item_id, customer)
),
processed AS (
    -- How it was settled by what is no receipt: such entries name the document itself.
    SELECT
        item_id,
        CASE
            WHEN bool_or(process = '9G') THEN 'write_off'                     -- 坏账发生
            WHEN bool_or(process = 'BZ') THEN 'transfer'                      -- 并账
            WHEN bool_or(process = '9N') THEN 'credit_note'                   -- 红票对冲
            WHEN bool_or(process IN ('9I', '9J')) THEN 'set_off'              -- 应收冲应付, 应付冲应收
        END AS settlement
    FROM ledger_entry
    WHERE role = 'settlement' AND is_own
    GROUP BY item_id
)
SELECT
    item.item_id,
    item.customer AS customer_id,
    CASE WHEN item.voucher_type IN ('26', '27', '28', '29') THEN item.voucher_item END AS document_id,
    CASE
        WHEN item.voucher_type IN ('26', '27', '28', '29') AND item.item_amount < 0 THEN 'credit_note'
        WHEN item.voucher_type IN ('26', '27', '28', '29') THEN 'invoice'
        WHEN item.voucher_type IN ('48', '49') THEN 'payment_on_account'
        ELSE 'other'
    END AS item_type,
    item.posted_on AS posting_date,
    coalesce(item.item_due_on, item.posted_on) AS due_date,
    item.item_amount AS original_amount,
    coalesce(currency.code, item.currency) AS currency,
    item.item_amount_local AS original_amount_company,
    'CNY' AS company_currency,
    CASE WHEN item.item_amount > 0 THEN processed.settlement END AS item_settlement,
    item._file,
    item._row,
    CASE
        WHEN item.left_out IS NOT NULL THEN item.left_out
        WHEN item.role = 'settlement' THEN 'settles_an_item'
        WHEN item.nth > 1 THEN 'summed_into_its_item'
    END AS _excluded
FROM item
LEFT JOIN currency ON currency.name = item.currency
LEFT JOIN processed ON processed.item_id = item.item_id
