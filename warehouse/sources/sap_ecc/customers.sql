-- Grain: one customer (KNA1) opened in the batch's company code (KNB1); the others are left out by name. Where a customer
-- has several sales areas, the first by organisation, channel and division that is not flagged for deletion speaks.
WITH company AS (
    SELECT
        (SELECT BUKRS FROM T001) AS BUKRS, (SELECT WAERS FROM T001) AS WAERS, (SELECT LAND1 FROM T001) AS LAND1,
        (SELECT KKBER FROM T001) AS KKBER
),
sales_area AS (
    SELECT KUNNR, BZIRK, VTWEG
    FROM KNVV
    QUALIFY row_number() OVER (PARTITION BY KUNNR ORDER BY coalesce(LOEVM, false), VKORG, VTWEG, SPART) = 1
),
limit_factor AS (
    -- Two decimals in the database, whatever the currency has (see invoice_lines.sql).
    SELECT TCURX.CURRKEY AS currency, shift.factor
    FROM TCURX
    JOIN (VALUES (0, 100.000), (1, 10.000), (2, 1.000), (3, 0.100), (4, 0.010), (5, 0.001)) AS shift (decimals, factor)
        ON shift.decimals = TCURX.CURRDEC
    WHERE getvariable('amountBasis') = 'internal'
),
unmoved AS (
    SELECT
        CASE
            WHEN getvariable('amountBasis') = 'internal' AND (SELECT count(*) FROM TCURX) = 0
                THEN error('amountBasis is internal, and the batch has no TCURX: deliver it, whole')
            ELSE 1.000
        END AS factor
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
    -- No record: no limit was set; a record of 0: nothing on credit.
    KNKK.KLIMK::DECIMAL(38, 6) * coalesce(limit_factor.factor, unmoved.factor) AS credit_limit,
    CASE WHEN KNKK.KUNNR IS NOT NULL THEN coalesce(T014.WAERS, company.WAERS) END AS credit_currency,
    term.net_days AS payment_term_days,
    least(KNA1.ERDAT, KNB1.ERDAT) AS created_on,
    CASE
        WHEN KNA1.LOEVM OR KNB1.LOEVM THEN 'inactive'
        WHEN KNA1.AUFSD IS NOT NULL OR KNKK.CRBLB THEN 'blocked'
        ELSE 'active'
    END AS status,
    KNA1._file,
    KNA1._row,
    CASE WHEN KNB1.KUNNR IS NULL THEN 'not_in_company_code' END AS _excluded
FROM KNA1
CROSS JOIN company
CROSS JOIN unmoved
LEFT JOIN KNB1 ON KNB1.KUNNR = KNA1.KUNNR AND KNB1.BUKRS = company.BUKRS
LEFT JOIN sales_area ON sales_area.KUNNR = KNA1.KUNNR
LEFT JOIN term ON term.ZTERM = KNB1.ZTERM
LEFT JOIN KNKK ON KNKK.KUNNR = KNA1.KUNNR AND KNKK.KKBER = company.KKBER
LEFT JOIN T014 ON T014.KKBER = company.KKBER
LEFT JOIN limit_factor ON limit_factor.currency = coalesce(T014.WAERS, company.WAERS)
LEFT JOIN CODES AS channel ON channel.field = 'VTWEG' AND channel.code = sales_area.VTWEG
