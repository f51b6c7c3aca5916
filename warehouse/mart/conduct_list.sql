-- What was looked at and gave nothing, or could not be looked at, is no case.
SELECT company_code, customer_id, customer.name, customer.salesperson_id, customer.territory_id, kind,
    CAST(row_number() OVER (PARTITION BY company_code ORDER BY confidence = 'confirmed' DESC, concerned_amount DESC NULLS LAST,
        customer_id, kind) AS INTEGER) AS place,
    confidence, concerned_amount, evidence_count, evidence_from, evidence_to, evidence, action
FROM conduct_finding
JOIN customer USING (company_code, customer_id)
LEFT JOIN next_action USING (company_code, customer_id)
WHERE confidence IN ('confirmed', 'suspected')
