-- Grain: one customer (KNA1) opened in the batch's company code (KNB1); the others are left out by name. Where a customer
-- has several sales areas, the first by organisation, channel and division that is not flagged for deletion speaks.
WITH sales_area AS (
    SELECT KUNNR, BZIRK, VTWEG
    FROM KNVV
    QUALIFY row_number() OVER (PARTITION BY KUNNR ORDER BY coalesce(LOEVM, false), VKORG, VTWEG, SPART) = 1
),
term AS (
    SELECT ZTERM, coalesce(nullif(ZTAG3, 0), nullif(ZTAG2, 0), nullif(ZTAG1, 0), 0) AS net_days
    FROM T052
    QUALIFY row_number() OVER (PARTITION BY ZTERM ORDER BY ZTAGG) = 1     -- further rows hold for later days of a month
)
SELECT
    KNA1.KUNNR AS customer_id,
    KNA1.NAME1 AS name,
    KNA1.KONZS AS group_id,
    sales_area.BZIRK AS territory_id,
    KNA1.BRSCH AS industry_code,
    CASE WHEN KNA1.LAND1 <> company.LAND1 THEN 'export' ELSE channel.meaning END AS channel,
    credit_account.credit_limit::DECIMAL(38, 6)
        * CASE WHEN amount_factor.currency IS NULL THEN 1 ELSE amount_factor.factor END AS credit_limit,
    credit_account.currency AS credit_currency,
    term.net_days AS payment_term_days,
    least(KNA1.ERDAT, KNB1.ERDAT) AS created_on,
    CASE
        WHEN KNA1.LOEVM OR KNB1.LOEVM THEN 'inactive'
        WHEN KNA1.AUFSD IS NOT NULL OR credit_account.is_blocked THEN 'blocked'
        ELSE 'active'
    END AS status,
    CASE
        WHEN KNA1.LOEVM OR KNB1.LOEVM THEN NULL
        WHEN credit_account.is_blocked THEN 'credit'
        WHEN KNA1.AUFSD IS NOT NULL THEN 'other'
    END AS status_reason,
    KNA1._file,
    KNA1._row,
    CASE WHEN KNB1.KUNNR IS NULL THEN 'not_in_company_code' END AS _excluded
FROM KNA1
CROSS JOIN company
LEFT JOIN KNB1 ON KNB1.KUNNR = KNA1.KUNNR AND KNB1.BUKRS = company.BUKRS
LEFT JOIN sales_area ON sales_area.KUNNR = KNA1.KUNNR
LEFT JOIN term ON term.ZTERM = KNB1.ZTERM
LEFT JOIN credit_account ON credit_account.KUNNR = KNA1.KUNNR
LEFT JOIN amount_factor ON amount_factor.currency = credit_account.currency
LEFT JOIN CODES AS channel ON channel.field = 'VTWEG' AND channel.code = sales_area.VTWEG
