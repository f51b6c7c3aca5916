-- The one company of the batch: the one that is marked as own; a row of nulls if res_company says nothing.
SELECT
    max(company.id) AS company_id,
    max(company.country_code) AS country_code,
    CASE
        WHEN count(*) <> 1 AND (SELECT count(*) FROM res_company) > 0
            THEN error('is_own of res_company marks ' || count(*) || ' companies, and a batch is of one: mark that one alone')
        ELSE max(currency.name)
    END AS currency
FROM res_company AS company
LEFT JOIN res_currency AS currency ON currency.id = company.currency_id
WHERE company.is_own
