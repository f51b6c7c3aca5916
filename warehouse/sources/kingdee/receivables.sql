-- Grain: one approved document of the customer ledger: a receivable (应收单, tax included, its entries summed), another one that bills
-- no goods (其他应收单), or money received
-- (收款单, negative until it is matched; a refund, 退款, the other way round). A receipt settles its 应收金额: what the bank kept, or
-- was granted as a cash discount, is not owed any more.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
),
document AS (
    SELECT
        bill_no, customer, bill_no AS document_no, bill_date, due_date, currency, local_currency,
        CASE WHEN sum(gross_amount) < 0 THEN 'credit_note' ELSE 'invoice' END AS item_type,
        sum(gross_amount) AS amount, sum(gross_amount_local) AS amount_local,
        CASE WHEN sum(gross_amount) < 0 AND min(origin_no) = max(origin_no) AND count(origin_no) = count(*) THEN min(origin_no) END
            AS origin_no,
        status, cancel_status, billed_as, NULL AS party_type,
        arg_min(_file, (_file, _row)) AS _file, arg_min(_row, (_file, _row)) AS _row
    FROM receivable
    GROUP BY bill_no, customer, bill_date, due_date, currency, local_currency, status, cancel_status, billed_as
    UNION ALL
    SELECT
        bill_no, customer, NULL, bill_date, bill_date, currency, local_currency, 'payment_on_account',
        CASE WHEN contains(bill_type, '退款') THEN 1 ELSE -1 END * coalesce(settled, amount),
        CASE WHEN contains(bill_type, '退款') THEN 1 ELSE -1 END * CASE
            WHEN coalesce(settled, amount) = amount THEN amount_local
            WHEN currency = local_currency THEN settled
            ELSE settled_local
        END,
        NULL, status, cancel_status, NULL, party_type, _file, _row
    FROM receipt
    UNION ALL
    SELECT
        bill_no, customer, NULL, bill_date, due_date, currency, local_currency, 'other', amount, amount_local,
        NULL, status, cancel_status, NULL, party_type, _file, _row
    FROM other_receivable
)
SELECT
    document.bill_no AS item_id,
    document.customer AS customer_id,
    document.document_no AS document_id,
    document.item_type,
    document.bill_date AS posting_date,
    coalesce(document.due_date, document.bill_date) AS due_date,
    document.amount AS original_amount,
    coalesce(document_currency.code, document.currency) AS currency,
    document.amount_local AS original_amount_company,
    coalesce(company_currency.code, document.local_currency) AS company_currency,
    document.origin_no AS references_document_id,              -- what a red document takes back; of several, its lines tell
    -- What was approved once, and is void or unlocked again, is owed no more.
    document.status IN ('重新审核', 'D') OR document.cancel_status IN ('是', '已作废', 'B') AS is_deleted,
    document._file,
    document._row,
    CASE
        WHEN document.status NOT IN ('已审核', 'C', '重新审核', 'D') THEN 'not_approved'
        WHEN document.billed_as = '暂估应收' THEN 'estimated_receivable'
        WHEN document.party_type NOT IN ('客户', 'BD_Customer') THEN 'not_a_customer'    -- an employee, a supplier, a bank
    END AS _excluded
FROM document
LEFT JOIN currency AS document_currency ON document_currency.name = document.currency
LEFT JOIN currency AS company_currency ON company_currency.name = document.local_currency
