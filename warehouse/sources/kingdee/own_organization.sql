-- The one settlement organization (结算组织) of the batch; a row of null where its lists do not show it. Documents of several could
-- not be told apart.
SELECT
    max(organization) AS organization,
    CASE
        WHEN count(DISTINCT organization) > 1
            THEN error('结算组织 of the lists names ' || count(DISTINCT organization) || ' organizations ('
                || string_agg(DISTINCT organization, ', ' ORDER BY organization)
                || '), and a batch is of one: filter the lists by that one, and land the others each under a company of its own')
    END AS checked
FROM (
    SELECT organization FROM receivable
    UNION ALL
    SELECT organization FROM receipt
    UNION ALL
    SELECT organization FROM other_receivable
)
