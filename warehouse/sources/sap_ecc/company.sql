-- The one company code of the batch; a row of nulls if T001 says nothing. Amounts of several could not be told apart.
SELECT
    max(BUKRS) AS BUKRS,
    max(WAERS) AS WAERS,
    max(LAND1) AS LAND1,
    CASE
        WHEN count(*) > 1
            THEN error('T001 holds ' || count(*) || ' company codes, and a batch is of one: deliver the record of that one alone')
        ELSE max(KKBER)
    END AS KKBER
FROM T001
