-- credit_limit and the payment term are columns from Odoo 18 on, JSON by company: read through to_jsonb, they are null
-- before. The days of a term with several installments are those of its last.
SELECT
    partner.id,
    partner.name,
    partner.commercial_partner_id,
    country.code AS country_code,
    state.code AS state_code,
    partner.industry_id,
    partner.customer_rank,
    partner.active,
    (to_jsonb(partner) -> 'credit_limit' ->> :company) IS NOT NULL AS use_partner_credit_limit,
    (to_jsonb(partner) -> 'credit_limit' ->> :company)::numeric AS credit_limit,
    (
        SELECT max((to_jsonb(line) ->> 'nb_days')::integer)
        FROM account_payment_term_line AS line
        WHERE line.payment_id = (to_jsonb(partner) -> 'property_payment_term_id' ->> :company)::integer
    ) AS payment_term_days,
    partner.create_date
FROM res_partner AS partner
LEFT JOIN res_country AS country ON country.id = partner.country_id
LEFT JOIN res_country_state AS state ON state.id = partner.state_id
