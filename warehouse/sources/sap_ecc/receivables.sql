-- Grain: one item of the customer ledger. Amounts carry no sign: SHKZG says S (Soll, debit: owed to us) or H (Haben, credit).
-- Noted items, such as a request for a down payment, and guarantees are owed nothing and are left out by name; so are residual items,
-- whose original is owed on (see ledger_item.sql). What was reversed or cancelled was not paid: BKPF tells it of every
-- document, and billing documents that the batch holds tell it of themselves.
SELECT
    item_id,
    KUNNR AS customer_id,
    VBELN AS document_id,
    CASE
        WHEN UMSKZ = 'A' THEN 'advance'
        WHEN SHKZG = 'H' AND UMSKZ IS NOT NULL THEN 'other'    -- held under an account of its own, as a deposit is: pays no invoice
        WHEN SHKZG = 'H' AND BLART = 'DZ' OR BLART IN ('KZ', 'ZP') THEN 'payment_on_account'
        WHEN BLART IN ('RV', 'DR') AND SHKZG = 'S' THEN 'invoice'
        WHEN BLART IN ('RV', 'DR', 'DG') AND SHKZG = 'H' THEN 'credit_note'
        ELSE 'other'
    END AS item_type,
    BUDAT AS posting_date,
    -- A credit that names no invoice (REBZG) is due on its base date, whatever its terms say; V keeps the terms.
    CAST(coalesce(ZFBDT, BLDAT) + CASE WHEN SHKZG = 'H' AND REBZG IS NULL THEN 0 ELSE net_days END::INTEGER AS DATE) AS due_date,
    direction * amount AS original_amount,
    WAERS AS currency,
    direction * amount_company AS original_amount_company,
    company_currency,
    cleared_on AS cleared_date,
    CASE WHEN cleared_on IS NOT NULL THEN cleared_by END AS clearing_id,
    item_settlement,
    _file,
    _row,
    CASE
        WHEN left_out IS NOT NULL THEN left_out
        WHEN role = 'residual' THEN 'residual_of_an_item'
    END AS _excluded
FROM ledger_item
