-- Grain: one credit record (KNKK) of the company code's credit control area. No record: no limit was set; a record of 0:
-- nothing on credit.
SELECT
    KNKK.KUNNR,
    KNKK.KLIMK AS credit_limit,
    coalesce(T014.WAERS, company.WAERS) AS currency,
    KNKK.CRBLB AS is_blocked
FROM KNKK
JOIN company ON company.KKBER = KNKK.KKBER
LEFT JOIN T014 ON T014.KKBER = KNKK.KKBER
