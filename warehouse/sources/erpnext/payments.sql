-- Grain: money received with one voucher: a payment, a journal entry of a bank, cash or card for one customer, or what a till
-- took. The ledger's entries of a voucher are summed; what was paid out, or taken back, is none.
WITH entry AS (
    SELECT
        *,
        CASE
            WHEN left_out IS NOT NULL THEN left_out
            -- A credit of the customer, and no item's money yet; nor is what takes it off again.
            WHEN role = 'advance' OR (role = 'contra' AND is_advanced) THEN 'an_advance'
            WHEN role = 'contra' AND voucher_type = 'Sales Invoice' AND NOT is_cancelled THEN NULL
            WHEN NOT is_money THEN 'no_money_received'
        END AS excluded
    FROM ledger_entry
),
summed AS (
    SELECT
        *,
        -sum(amount_in_account_currency) OVER same AS received,
        min(posting_date) OVER (PARTITION BY left_out, voucher_item) AS received_on,
        row_number() OVER (PARTITION BY excluded, voucher_item ORDER BY name) AS nth
    FROM entry
    WINDOW same AS (PARTITION BY excluded, voucher_item)
)
SELECT
    voucher_item AS payment_id,
    party AS customer_id,
    received_on AS payment_date,
    received AS amount,
    account_currency AS currency,
    _file,
    _row,
    CASE
        WHEN excluded IS NOT NULL THEN excluded
        WHEN received <= 0 THEN 'no_money_received'
        WHEN nth > 1 THEN 'summed_into_its_item'
    END AS _excluded
FROM summed
