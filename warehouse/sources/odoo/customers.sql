-- Grain: one commercial entity that was ever a customer. Its contacts and addresses, and partners that never bought, are left
-- out by name.
SELECT
    partner.id AS customer_id,
    partner.name,
    coalesce(partner.country_code || '-' || partner.state_code, partner.country_code) AS territory_id,
    partner.industry_id AS industry_code,
    CASE WHEN partner.country_code <> (SELECT country_code FROM own_company) THEN 'export' END AS channel,
    -- Odoo warns of no limit of 0, whoever set it.
    CASE WHEN partner.use_partner_credit_limit THEN nullif(partner.credit_limit, 0) END AS credit_limit,
    partner.payment_term_days,
    partner.create_date AS created_on,
    CASE WHEN partner.active THEN 'active' ELSE 'inactive' END AS status,
    partner._file,
    partner._row,
    CASE
        WHEN partner.commercial_partner_id <> partner.id THEN 'contact_of_a_customer'
        WHEN coalesce(partner.customer_rank, 0) = 0 THEN 'not_a_customer'
    END AS _excluded
FROM res_partner AS partner
