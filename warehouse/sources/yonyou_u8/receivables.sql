-- Grain: one document of the customer ledger: its own entries, made when it was registered (处理方式 = its type), summed over
-- the document's lines. Every other entry settles a document: see payment_allocations. Debit is owed to us.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
),
entry AS (
    SELECT
        *,
        coalesce(debit, 0) - coalesce(credit, 0) AS amount,
        coalesce(debit_local, 0) - coalesce(credit_local, 0) AS amount_local,
        CASE
            WHEN flag >= 3 THEN 'not_in_the_balance'
            WHEN process <> voucher_type OR (voucher_type, voucher_no) <> (against_type, against_no) THEN 'settles_an_item'
        END AS left_out
    FROM ar_detail
),
item AS (
    SELECT
        *,
        sum(amount) OVER document AS item_amount,
        sum(amount_local) OVER document AS item_amount_local,
        min(registered_on) OVER document AS posted_on,
        max(due_date) OVER document AS due_on,
        row_number() OVER (PARTITION BY left_out, voucher_type, voucher_no, customer ORDER BY entry_id) AS nth
    FROM entry
    WINDOW document AS (PARTITION BY left_out, voucher_type, voucher_no, customer)
)
SELECT
    item.voucher_type || '-' || item.voucher_no AS item_id,
    item.customer AS customer_id,
    CASE WHEN item.voucher_type IN ('26', '27', '28', '29') THEN item.voucher_type || '-' || item.voucher_no END AS document_id,
    CASE
        WHEN item.voucher_type IN ('26', '27', '28', '29') AND item.item_amount < 0 THEN 'credit_note'
        WHEN item.voucher_type IN ('26', '27', '28', '29') THEN 'invoice'
        WHEN item.voucher_type IN ('48', '49') THEN 'payment_on_account'
        ELSE 'other'
    END AS item_type,
    item.posted_on AS posting_date,
    coalesce(item.due_on, item.posted_on) AS due_date,
    item.item_amount AS original_amount,
    coalesce(currency.code, item.currency) AS currency,
    item.item_amount_local AS original_amount_company,
    'CNY' AS company_currency,
    item._file,
    item._row,
    CASE WHEN item.left_out IS NOT NULL THEN item.left_out WHEN item.nth > 1 THEN 'summed_into_its_item' END AS _excluded
FROM item
LEFT JOIN currency ON currency.name = item.currency
