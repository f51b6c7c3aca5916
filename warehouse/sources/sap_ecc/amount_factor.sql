-- Grain: one currency (TCURX), with what its amounts are multiplied by. The database keeps every amount with two decimals,
-- yen and dinars too; lists and reports have put that right already, so amounts are moved only if amountBasis is internal.
-- A currency that TCURX does not name has two decimals; without TCURX nobody knows.
SELECT TCURX.CURRKEY AS currency, shift.factor
FROM TCURX
LEFT JOIN (VALUES (0, 100.000), (1, 10.000), (2, 1.000), (3, 0.100), (4, 0.010), (5, 0.001)) AS shift (decimals, factor)
    ON shift.decimals = TCURX.CURRDEC
WHERE getvariable('amountBasis') = 'internal'
UNION ALL
SELECT
    NULL,
    CASE
        WHEN getvariable('amountBasis') = 'internal'
            AND (SELECT count(*) FROM TCURX) = 0
            AND (SELECT count(*) FROM VBRP) + (SELECT count(*) FROM BSID_BSAD) + (SELECT count(*) FROM KNA1) > 0
            THEN error('amountBasis is internal, and the batch has no TCURX: deliver it, whole')
        ELSE 1.000
    END
