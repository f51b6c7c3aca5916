-- The one company code of the batch; a row of nulls if T001 says nothing.
SELECT
    (SELECT BUKRS FROM T001) AS BUKRS,
    (SELECT WAERS FROM T001) AS WAERS,
    (SELECT LAND1 FROM T001) AS LAND1,
    (SELECT KKBER FROM T001) AS KKBER
