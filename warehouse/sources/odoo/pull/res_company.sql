SELECT
    company.id,
    company.partner_id,
    company.currency_id,
    country.code AS country_code,
    company.id = :company AS is_own
FROM res_company AS company
JOIN res_partner AS partner ON partner.id = company.partner_id
LEFT JOIN res_country AS country ON country.id = partner.country_id
