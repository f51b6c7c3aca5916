-- Grain: one business partner's record in the credit segment of the company code. No record: no limit was set; a record
-- of 0: nothing on credit. Without a list of its own, a credit control area has the segment of the same name: how a
-- conversion sets it up.
WITH segment AS (
    SELECT
        company.WAERS,
        coalesce(
            (SELECT UKM_KKBER2SGM.CREDIT_SGMNT FROM UKM_KKBER2SGM WHERE UKM_KKBER2SGM.KKBER = company.KKBER), company.KKBER
        ) AS CREDIT_SGMNT
    FROM company
)
SELECT
    UKMBP_CMS_SGM.PARTNER AS KUNNR,
    UKMBP_CMS_SGM.CREDIT_LIMIT AS credit_limit,
    coalesce(UKMCRED_SGM0C.CURRENCY, segment.WAERS) AS currency,
    UKMBP_CMS_SGM.XBLOCKED AS is_blocked
FROM UKMBP_CMS_SGM
JOIN segment ON segment.CREDIT_SGMNT = UKMBP_CMS_SGM.CREDIT_SGMNT
LEFT JOIN UKMCRED_SGM0C ON UKMCRED_SGM0C.CREDIT_SGMNT = segment.CREDIT_SGMNT
