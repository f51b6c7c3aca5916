-- Grain: one line that counts. Cancelled and intercompany lines never count; a credit note that names its
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
        line.product_id, line.channel, line.ship_to_territory, line.quantity, line.is_free_goods, line.references_document_id,
        -- What moves no goods has no cost to look for
        line.quantity <> 0 AS moves_goods,
        -- Given away, or of a category that makes no order
        NOT coalesce(line.is_free_goods, false)
            AND NOT coalesce(list_contains(getvariable('loyalty.no_order_categories'), product.category), false) AS is_asked_for
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
    CASE WHEN own_cost IS NOT NULL THEN units4(own_cost) * 1000000
         WHEN NOT moves_goods THEN 0
         ELSE units4(standard_cost) * units6(in_base_units) END AS fine_cost,
    CASE WHEN own_cost IS NOT NULL THEN coalesce(own_basis, 'not said')
         WHEN moves_goods AND standard_cost IS NOT NULL AND in_base_units IS NOT NULL THEN 'standard_current' END AS basis
FROM line;

-- Grain: one invoice that is or was an order, by the month it counts in. What was asked for sums to more than
-- 0; notes that name it and credit 95 % of that undo it. Reading: samples and fees are left out of both sides; a document
-- whose lines bear dates of several months is an order of each.
CREATE OR REPLACE TABLE oracle.placed_order AS
WITH invoice AS (
    SELECT company_code, customer_id, month, document_id, min(invoice_date) AS order_on, sum(net) AS billed,
        sum(net) FILTER (is_asked_for) AS asked_for
    FROM oracle.counted_line
    WHERE document_type = 'invoice'
    GROUP BY ALL
),
note AS (
    SELECT company_code, customer_id, month, references_document_id AS document_id, sum(net) AS noted,
        sum(net) FILTER (is_asked_for) AS noted_asked_for
    FROM oracle.counted_line
    WHERE document_type = 'credit_note' AND references_document_id IS NOT NULL
    GROUP BY ALL
)
SELECT company_code, customer_id, month, document_id, order_on, billed, billed + coalesce(noted, 0) AS left_of_it,
    coalesce(-noted_asked_for, 0) * 20 >= asked_for * 19 AS is_undone
FROM invoice
LEFT JOIN note USING (company_code, customer_id, month, document_id)
WHERE asked_for > 0;

-- Grain: one customer and month with a line that counts. Cost is rounded once, in its cell.
CREATE OR REPLACE TABLE oracle.customer_month AS
WITH summed AS (
    SELECT
        company_code, customer_id, month,
        sum(net)::DECIMAL(38, 4) AS net_sales,
        sum(in_base_units)::DECIMAL(38, 6) AS quantity,
        coalesce(sum(net) FILTER (document_type = 'invoice'), 0)::DECIMAL(38, 4) AS invoiced,
        coalesce(sum(net) FILTER (document_type = 'credit_note'), 0)::DECIMAL(38, 4) AS returns,
        coalesce(sum(net) FILTER (document_type = 'credit_note' AND NOT moves_goods), 0)::DECIMAL(38, 4) AS price_credits,
        from_units4(half_even(sum(fine_cost), 1000000)) AS cost,
        -- one way of costing, or mixed; null without cost, and where the ERP never says which way
        CASE WHEN count(DISTINCT basis) > 1 THEN 'mixed' ELSE nullif(any_value(basis), 'not said') END AS cost_basis,
        coalesce(sum(abs(net)) FILTER (moves_goods), 0)::DECIMAL(38, 4) AS gross_amount,
        coalesce(sum(abs(net)) FILTER (moves_goods AND fine_cost IS NOT NULL), 0)::DECIMAL(38, 4) AS gross_amount_with_cost,
        sum(freight)::DECIMAL(38, 4) AS freight,
        sum(rebate)::DECIMAL(38, 4) AS rebates
    FROM oracle.counted_line
    GROUP BY ALL
)
SELECT summed.*, net_sales - cost - coalesce(freight, 0) - coalesce(rebates, 0) AS contribution,
    (SELECT count(*) FROM oracle.placed_order AS placed
     WHERE NOT is_undone AND placed.company_code = summed.company_code AND placed.customer_id = summed.customer_id
         AND placed.month = summed.month) AS orders
FROM summed;

-- Grain: one customer and day with an order, those that were undone included.
CREATE OR REPLACE TABLE oracle.order_day AS
SELECT company_code, customer_id, order_on,
    count(*) FILTER (NOT is_undone) AS orders,
    coalesce(sum(left_of_it) FILTER (NOT is_undone), 0)::DECIMAL(38, 4) AS net_sales,
    count(*) FILTER (is_undone) AS credited_orders,
    coalesce(sum(billed) FILTER (is_undone), 0)::DECIMAL(38, 4) AS credited_net_sales
FROM oracle.placed_order
GROUP BY ALL;

-- Grain: one day on which credited orders were billed anew. Within 31 days. Reading: on the first day that
-- brought the same again, give or take a twentieth.
CREATE OR REPLACE TABLE oracle.rebilled AS
SELECT company_code, customer_id, credited.order_on AS credited_on, min(anew.order_on) AS billed_on,
    any_value(credited.credited_net_sales) AS credited
FROM oracle.order_day AS credited
JOIN oracle.order_day AS anew USING (company_code, customer_id)
WHERE credited.credited_orders > 0 AND anew.orders > 0
    AND anew.order_on BETWEEN credited.order_on AND credited.order_on + 31
    AND anew.order_on <= getvariable('closed_through')
    AND anew.net_sales BETWEEN 0.95 * credited.credited_net_sales AND 1.05 * credited.credited_net_sales
GROUP BY ALL;

-- Grain: one day of billing that made an order, under the day on which it counts as ordered.
CREATE OR REPLACE TABLE oracle.ordered AS
WITH first_date AS (SELECT company_code, customer_id, billed_on, min(credited_on) AS first_on FROM oracle.rebilled GROUP BY ALL)
SELECT company_code, customer_id, billed_on, coalesce(first_on, billed_on) AS order_on, net_sales
FROM (SELECT * RENAME (order_on AS billed_on) FROM oracle.order_day)
LEFT JOIN first_date USING (company_code, customer_id, billed_on)
WHERE orders > 0 AND billed_on <= getvariable('closed_through');

-- Grain: one occasion. It begins with an order and takes in all to the sixth day after; the next one begins
-- with the first order behind that.
CREATE OR REPLACE TABLE oracle.occasion AS
WITH RECURSIVE begun AS (
    SELECT company_code, customer_id, min(order_on) AS began_on FROM oracle.ordered GROUP BY ALL
    UNION ALL
    SELECT company_code, customer_id,
        (SELECT min(order_on) FROM oracle.ordered AS later
         WHERE later.company_code = begun.company_code AND later.customer_id = begun.customer_id
             AND later.order_on > begun.began_on + 6)
    FROM begun
    WHERE EXISTS (
        FROM oracle.ordered AS later
        WHERE later.company_code = begun.company_code AND later.customer_id = begun.customer_id
            AND later.order_on > begun.began_on + 6)
)
SELECT * FROM begun;

-- Grain: one of the 24 complete months that end with closed_through; age 0 is the last one.
CREATE OR REPLACE TABLE oracle.complete_month AS
SELECT age::INTEGER AS age,
       (date_trunc('month', getvariable('closed_through')) - to_months(age::INTEGER))::DATE AS month
FROM range(24) AS ages(age);
