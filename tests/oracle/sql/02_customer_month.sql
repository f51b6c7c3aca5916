-- Grain: one line that counts. DOMAIN 1: cancelled and intercompany lines never count; a credit note that names its
-- invoice counts in that invoice's month, an unlinked one in its own.
CREATE OR REPLACE TABLE oracle.counted_line AS
WITH document AS (
    SELECT company_code, document_id, min(invoice_date) AS invoice_date
    FROM seen.invoice_lines
    GROUP BY ALL
),
line AS (
    SELECT
        line.company_code, line.customer_id, line.document_id, line.document_type, line.invoice_date,
        CASE WHEN line.document_type = 'credit_note' THEN coalesce(named.invoice_date, line.invoice_date)
             ELSE line.invoice_date END AS counts_on,
        line.net_amount_company AS net,
        -- base units: as delivered, else the quantity where it is in the base unit, or the product is not known
        CASE WHEN line.base_quantity IS NOT NULL THEN line.base_quantity
             WHEN product.base_uom IS NULL OR product.base_uom = line.uom THEN line.quantity END AS in_base_units,
        line.cost_amount_company AS own_cost, line.cost_basis AS own_basis, product.standard_cost,
        line.freight_amount AS freight, line.rebate_amount AS rebate,
        line.product_id, line.channel, line.ship_to_territory, line.quantity, line.is_free_goods
    FROM seen.invoice_lines AS line
    LEFT JOIN seen.products AS product USING (company_code, product_id)
    LEFT JOIN document AS named
           ON named.company_code = line.company_code AND named.document_id = line.references_document_id
    WHERE NOT line.is_cancelled AND line.is_intercompany IS DISTINCT FROM true
)
SELECT
    * EXCLUDE (own_cost, own_basis, standard_cost),
    date_trunc('month', counts_on)::DATE AS month,
    -- in ten-billionths: a price of 4 places times a quantity of 6, not yet rounded
    CASE WHEN own_cost IS NOT NULL THEN units4(own_cost) * 1000000 ELSE units4(standard_cost) * units6(in_base_units) END AS fine_cost,
    CASE WHEN own_cost IS NOT NULL THEN coalesce(own_basis, 'not said')
         WHEN standard_cost IS NOT NULL AND in_base_units IS NOT NULL THEN 'standard_current' END AS basis
FROM line;

-- Grain: one customer and month with a line that counts (DECISIONS 10). Cost is rounded once, in its cell.
CREATE OR REPLACE TABLE oracle.customer_month AS
WITH summed AS (
    SELECT
        company_code, customer_id, month,
        sum(net)::DECIMAL(38, 4) AS net_sales,
        sum(in_base_units)::DECIMAL(38, 6) AS quantity,
        count(DISTINCT document_id) FILTER (document_type = 'invoice') AS orders,
        coalesce(sum(net) FILTER (document_type = 'credit_note'), 0)::DECIMAL(38, 4) AS returns,
        from_units4(half_even(sum(fine_cost), 1000000)) AS cost,
        -- one way of costing, or mixed; null without cost, and where the ERP never says which way
        CASE WHEN count(DISTINCT basis) > 1 THEN 'mixed' ELSE nullif(any_value(basis), 'not said') END AS cost_basis,
        sum(abs(net))::DECIMAL(38, 4) AS gross_amount,
        coalesce(sum(abs(net)) FILTER (fine_cost IS NOT NULL), 0)::DECIMAL(38, 4) AS gross_amount_with_cost,
        sum(freight)::DECIMAL(38, 4) AS freight,
        sum(rebate)::DECIMAL(38, 4) AS rebates
    FROM oracle.counted_line
    GROUP BY ALL
)
SELECT *, net_sales - cost - coalesce(freight, 0) - coalesce(rebates, 0) AS contribution
FROM summed;

-- Grain: one customer and day with an invoice (credit and debit notes do not make an order day).
CREATE OR REPLACE TABLE oracle.order_day AS
SELECT company_code, customer_id, invoice_date AS order_on,
       count(DISTINCT document_id) AS orders, sum(net)::DECIMAL(38, 4) AS net_sales
FROM oracle.counted_line
WHERE document_type = 'invoice'
GROUP BY ALL;

-- Grain: one of the 24 complete months that end with closed_through; age 0 is the last one.
CREATE OR REPLACE TABLE oracle.complete_month AS
SELECT age::INTEGER AS age,
       (date_trunc('month', getvariable('closed_through')) - to_months(age::INTEGER))::DATE AS month
FROM range(24) AS ages(age);
