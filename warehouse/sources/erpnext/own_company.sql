-- The one company of the batch. Ledgers of several could not be told apart.
SELECT
    name,
    default_currency,
    CASE
        WHEN count(*) OVER () > 1
            THEN error('company holds ' || count(*) OVER () || ' companies, and a batch is of one: deliver the record of that one alone')
    END AS checked
FROM company
