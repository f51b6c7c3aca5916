-- Grain: one approved receipt (收款单). Refunds (退款) pay out: they are receivables, not payments.
WITH currency (name, code) AS (
    VALUES
        ('人民币', 'CNY'), ('美元', 'USD'), ('欧元', 'EUR'), ('港币', 'HKD'), ('港元', 'HKD'), ('日元', 'JPY'), ('日圆', 'JPY'),
        ('英镑', 'GBP'), ('新台币', 'TWD'), ('韩元', 'KRW'), ('新加坡元', 'SGD'), ('澳元', 'AUD'), ('加元', 'CAD')
)
SELECT
    receipt.bill_no AS payment_id,
    receipt.customer AS customer_id,
    receipt.bill_date AS payment_date,
    receipt.amount,
    coalesce(currency.code, receipt.currency) AS currency,
    receipt.method,
    -- What was approved once, and is void or unlocked again, was not received.
    receipt.status IN ('重新审核', 'D') OR receipt.cancel_status IN ('是', '已作废', 'B') AS is_deleted,
    receipt._file,
    receipt._row,
    CASE
        WHEN receipt.status NOT IN ('已审核', 'C', '重新审核', 'D') THEN 'not_approved'
        WHEN receipt.party_type NOT IN ('客户', 'BD_Customer') THEN 'not_a_customer'
        WHEN contains(receipt.bill_type, '退款') THEN 'refund'
    END AS _excluded
FROM receipt
LEFT JOIN currency ON currency.name = receipt.currency
