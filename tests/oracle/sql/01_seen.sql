-- What a rating may see. Grain of each table: that of the canonical table.
-- Facts with available_on <= as_of. Reading: masters (customers, products) bear no date, since they may land
-- later: an invoice of March is priced with the product as the books have it now.
-- Who stands for whom on the day: a number that is continued, and the one at the end of its chain. Whole customers only: splitting
-- by shares is a matter of the product's own tests. Lines keep their number in the books; here they are their successor's.
CREATE OR REPLACE TABLE seen.heir AS
WITH RECURSIVE link AS (
    SELECT company_code, old_customer_id AS customer_id, new_customer_id AS heir, valid_from FROM erp.customer_successions
    WHERE NOT is_deleted AND available_on <= getvariable('as_of') AND valid_from <= getvariable('as_of')
), way AS (
    FROM link
    UNION ALL
    SELECT way.company_code, way.customer_id, link.heir, greatest(way.valid_from, link.valid_from)
    FROM way JOIN link ON link.company_code = way.company_code AND link.customer_id = way.heir
), known AS (  -- a number in no master and no book is only a link of a chain
    SELECT company_code, customer_id FROM erp.customers WHERE NOT is_deleted
    UNION
    SELECT company_code, customer_id FROM erp.invoice_lines
    WHERE NOT is_deleted AND available_on <= getvariable('as_of') AND NOT is_cancelled AND is_intercompany IS DISTINCT FROM true
    UNION
    SELECT company_code, customer_id FROM erp.receivables WHERE NOT is_deleted AND available_on <= getvariable('as_of')
)
FROM way
ANTI JOIN link ON link.company_code = way.company_code AND link.customer_id = way.heir
SEMI JOIN known ON known.company_code = way.company_code AND known.customer_id = way.customer_id;
CREATE OR REPLACE MACRO continued(company, customer) AS
    coalesce((SELECT any_value(heir) FROM seen.heir WHERE company_code = company AND customer_id = customer), customer);

-- A successor is a customer for as long as whom it continues; unknown since when, if that is of one of them.
CREATE OR REPLACE TABLE seen.customers AS
WITH older AS (
    SELECT heir.company_code, heir.heir AS customer_id, min(old.created_on) AS created_on, min(old.available_on) AS available_on,
        count(old.created_on) = count(*) AS is_known
    FROM seen.heir AS heir LEFT JOIN (FROM erp.customers WHERE NOT is_deleted) AS old USING (company_code, customer_id)
    GROUP BY ALL
)
SELECT own.* REPLACE (
    CASE WHEN older.customer_id IS NULL THEN own.created_on
         WHEN is_known AND own.created_on IS NOT NULL THEN least(own.created_on, older.created_on) END AS created_on,
    least(own.available_on, older.available_on) AS available_on)
FROM erp.customers AS own LEFT JOIN older USING (company_code, customer_id) WHERE NOT is_deleted;
CREATE OR REPLACE TABLE seen.products AS FROM erp.products WHERE NOT is_deleted;
CREATE OR REPLACE TABLE seen.invoice_lines AS
    SELECT * REPLACE (continued(company_code, customer_id) AS customer_id) FROM erp.invoice_lines WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.receivables AS
    SELECT * REPLACE (continued(company_code, customer_id) AS customer_id) FROM erp.receivables WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.payment_allocations AS
    FROM erp.payment_allocations WHERE NOT is_deleted AND available_on <= getvariable('as_of');
-- Reading: open orders bear no date, and the latest run sees them as they were extracted last.
CREATE OR REPLACE TABLE seen.open_orders AS SELECT * REPLACE (continued(company_code, customer_id) AS customer_id) FROM erp.open_orders WHERE NOT is_deleted;
CREATE OR REPLACE TABLE seen.payments AS
    FROM erp.payments WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.fx_rates AS
    FROM erp.fx_rates WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.interactions AS
    SELECT * REPLACE (continued(company_code, customer_id) AS customer_id) FROM erp.interactions WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.demand_estimates AS
    SELECT * REPLACE (continued(company_code, customer_id) AS customer_id) FROM erp.demand_estimates WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.customer_assessments AS
    SELECT * REPLACE (continued(company_code, customer_id) AS customer_id) FROM erp.customer_assessments WHERE NOT is_deleted AND available_on <= getvariable('as_of');
