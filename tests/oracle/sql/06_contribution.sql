-- Grain: one item of the ledger, with what was open of it summed over the days of the year.
-- An item is open from its posting to the day before it is cleared, less what was allocated to it by the end of a day.
-- Reading: an allocation, which is in the item's currency, is worth the item's own rate, rounded as all money to 4 places.
CREATE OR REPLACE TABLE oracle.item_days AS
WITH bounds AS (
    SELECT (date_trunc('month', getvariable('closed_through')) - INTERVAL 11 MONTH)::DATE AS first_day,
           getvariable('closed_through')::DATE AS last_day
),
item AS (
    SELECT company_code, customer_id, item_id, original_amount, original_amount_company,
        greatest(posting_date, first_day) AS open_from,
        CASE WHEN cleared_date <= last_day THEN cleared_date - 1 ELSE last_day END AS open_to
    FROM seen.receivables, bounds
),
allocated AS (
    SELECT company_code, item_id,
        sum(CASE WHEN original_amount = 0 THEN 0 ELSE
                half_even(units4(amount) * units4(original_amount_company) * sign(original_amount)::INTEGER,
                          units4(abs(original_amount))) END
            * greatest(open_to - greatest(allocated_on, open_from) + 1, 0)) AS amount_days
    FROM seen.payment_allocations
    JOIN item USING (company_code, item_id)
    GROUP BY ALL
)
SELECT company_code, customer_id, item_id,
    units4(original_amount_company) * greatest(open_to - open_from + 1, 0) - coalesce(amount_days, 0) AS amount_days
FROM item
LEFT JOIN allocated USING (company_code, item_id);

-- Grain: one customer with goods that have no cost in the year. A unit of a product costs what it cost in the
-- customer's other lines, else in everybody's; where that does not say, goods cost the customer's usual part of their price.
CREATE OR REPLACE TABLE oracle.estimated_cost AS
WITH product AS (
    SELECT company_code, customer_id, product_id,
        sum(units4(covered_cost)) AS covered_cost, sum(units6(covered_quantity)) AS covered_quantity,
        sum(units4(costed_cost)) AS costed_cost, sum(units4(costed_net_sales)) AS costed_net_sales,
        sum(units6(uncosted_quantity)) AS uncosted_quantity, sum(units4(uncosted_net_sales)) AS uncosted_net_sales,
        sum(units4(uncosted_gross)) AS uncosted_gross, sum(units4(unmeasured_net_sales)) AS unmeasured_net_sales
    FROM oracle.sales_cell
    JOIN oracle.complete_month USING (month)
    WHERE age < 12
    GROUP BY ALL
),
compared AS (
    SELECT *,
        sum(covered_cost) OVER of_product AS cost_of_all, sum(covered_quantity) OVER of_product AS quantity_of_all,
        sum(costed_cost) OVER of_customer AS usual_cost, sum(costed_net_sales) OVER of_customer AS usual_net_sales
    FROM product
    WINDOW of_product AS (PARTITION BY company_code, product_id), of_customer AS (PARTITION BY company_code, customer_id)
),
guessed AS (
    SELECT *,
        coalesce(
            CASE WHEN product_id IS NULL THEN NULL
                 WHEN covered_quantity > 0 THEN half_even(uncosted_quantity * covered_cost, covered_quantity)
                 ELSE half_even(uncosted_quantity * cost_of_all, quantity_of_all) END,
            half_even((uncosted_net_sales - unmeasured_net_sales) * usual_cost, usual_net_sales)) AS measured,
        half_even(unmeasured_net_sales * usual_cost, usual_net_sales) AS unmeasured
    FROM compared
    WHERE uncosted_gross <> 0 OR uncosted_quantity <> 0
)
SELECT company_code, customer_id, from_units4(sum(coalesce(measured, 0) + coalesce(unmeasured, 0))) AS estimated,
    from_units4(coalesce(sum(uncosted_gross) FILTER (
        measured IS NOT NULL AND (unmeasured IS NOT NULL OR unmeasured_net_sales = 0)), 0)) AS gross_estimated
FROM guessed
GROUP BY ALL;

-- Grain: one rated customer. A component that was not delivered is left out.
-- Reading: a year without a line has no contribution (there are no sales whose cost could be known), and neither has one
-- without any cost, whatever the policy's floor; where only goods were given away, any cost is all the cost.
CREATE OR REPLACE TABLE oracle.contribution AS
WITH sold AS (
    SELECT company_code, customer_id, sum(net_sales) AS net_sales, sum(invoiced) AS invoiced, sum(returns) AS returns,
        sum(price_credits) AS price_credits, sum(cost) AS cost, sum(freight) AS freight,
        sum(rebates) AS rebates, sum(gross_amount) AS gross, sum(gross_amount_with_cost) AS gross_with_cost
    FROM oracle.customer_month
    JOIN oracle.complete_month USING (month)
    WHERE age < 12
    GROUP BY ALL
),
-- every interaction costs what the policy says a contact of its kind costs
served AS (
    SELECT company_code, customer_id, sum(unit.cost) AS service
    FROM seen.interactions
    JOIN oracle.complete_month AS complete ON complete.month = date_trunc('month', occurred_at)::DATE
    JOIN oracle.service_cost AS unit USING (kind)
    WHERE age < 12
    GROUP BY ALL
),
owed AS (
    SELECT company_code, customer_id,
        from_units4(half_even(sum(amount_days) * units6(getvariable('contribution.carrying_rate_yearly')), 365 * 1000000::HUGEINT)) AS carrying
    FROM oracle.item_days
    GROUP BY ALL
),
-- what was given up of what is owed, in a company that tells how its items are settled
lost AS (
    SELECT company_code, customer_id, sum(part) AS write_offs
    FROM oracle.part
    JOIN oracle.complete_month AS complete ON complete.month = date_trunc('month', settled_on)::DATE
    WHERE on_day = getvariable('closed_through') AND kind = 'write_off' AND age < 12
    GROUP BY ALL
),
-- billed, credited and billed anew: neither returned nor sold twice
corrected AS (
    SELECT company_code, customer_id, sum(credited) AS rebilled
    FROM oracle.rebilled
    JOIN oracle.complete_month AS complete ON complete.month = date_trunc('month', credited_on)::DATE
    WHERE age < 12
    GROUP BY ALL
),
part AS (
    SELECT company_code, customer_id, net_sales, cost, freight, rebates, gross, gross_with_cost, gross_estimated,
        coalesce(estimated, 0) AS estimated, invoiced - coalesce(rebilled, 0) AS stays_invoiced, invoiced,
        price_credits - returns - coalesce(rebilled, 0) AS returned, -price_credits AS price_credited,
        CASE WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'interactions')
             THEN coalesce(service, 0) END AS service,
        CASE WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'receivables')
             THEN coalesce(carrying, 0) END AS carrying,
        CASE WHEN company_code IN (SELECT company_code FROM seen.receivables WHERE item_settlement IS NOT NULL)
             THEN coalesce(write_offs, 0) END AS write_offs,
        CASE WHEN gross > 0 THEN gross_with_cost::DOUBLE / gross::DOUBLE END AS cost_coverage
    FROM oracle.customer
    LEFT JOIN sold USING (company_code, customer_id)
    LEFT JOIN served USING (company_code, customer_id)
    LEFT JOIN owed USING (company_code, customer_id)
    LEFT JOIN lost USING (company_code, customer_id)
    LEFT JOIN corrected USING (company_code, customer_id)
    LEFT JOIN oracle.estimated_cost USING (company_code, customer_id)
),
reasoned AS (
    SELECT *,
        CASE WHEN net_sales IS NULL THEN 'no_sales'
             -- nothing is known of cost where only lines without goods have one, and that is 0
             WHEN cost IS NULL OR (cost = 0 AND gross_with_cost = 0) OR six(cost_coverage) < getvariable('contribution.cost_coverage_floor') THEN 'no_cost'
        END AS contribution_reason
    FROM part
),
net AS (
    SELECT *,
        CASE WHEN contribution_reason IS NULL THEN
            net_sales - cost - estimated - coalesce(freight, 0) - coalesce(rebates, 0) - coalesce(service, 0) - coalesce(carrying, 0)
                - coalesce(write_offs, 0)
        END::DECIMAL(38, 4) AS contribution_12m
    FROM reasoned
)
SELECT company_code, customer_id, contribution_12m, contribution_reason, cost_coverage,
    CASE WHEN contribution_reason IS NULL THEN concat_ws(', ', 'net_sales', 'cost',
        CASE WHEN freight IS NOT NULL THEN 'freight' END, CASE WHEN rebates IS NOT NULL THEN 'rebates' END,
        CASE WHEN service IS NOT NULL THEN 'service' END, CASE WHEN carrying IS NOT NULL THEN 'carrying' END,
        CASE WHEN write_offs IS NOT NULL THEN 'write_offs' END)
    END AS contribution_basis,
    CASE WHEN net_sales > 0 THEN contribution_12m::DOUBLE / net_sales::DOUBLE END AS margin_12m,
    CASE WHEN contribution_reason IS NULL THEN estimated END::DECIMAL(38, 4) AS cost_estimated_12m,
    CASE WHEN contribution_reason IS NULL AND gross > 0 THEN coalesce(gross_estimated, 0)::DOUBLE / gross::DOUBLE END
        AS cost_estimated_share,
    -- what is left after each component, one after the other; the first that leaves less than nothing
    CASE WHEN contribution_12m < 0 THEN
         list_filter([
            {'name': 'returns', 'left_over': net_sales + price_credited},
            {'name': 'cost', 'left_over': net_sales + price_credited - cost - estimated},
            {'name': 'price_credits', 'left_over': net_sales - cost - estimated},
            {'name': 'freight', 'left_over': net_sales - cost - estimated - coalesce(freight, 0)},
            {'name': 'rebates', 'left_over': net_sales - cost - estimated - coalesce(freight, 0) - coalesce(rebates, 0)},
            {'name': 'service', 'left_over': contribution_12m + coalesce(carrying, 0) + coalesce(write_offs, 0)},
            {'name': 'carrying', 'left_over': contribution_12m + coalesce(write_offs, 0)},
            {'name': 'write_offs', 'left_over': contribution_12m}], lambda each: each.left_over < 0)[1].name END AS loss_component,
    CASE WHEN stays_invoiced > 0 THEN greatest(returned, 0)::DOUBLE / stays_invoiced::DOUBLE END AS return_rate_12m,
    CASE WHEN stays_invoiced > 0 THEN greatest(price_credited, 0)::DOUBLE / stays_invoiced::DOUBLE END AS price_credit_rate_12m,
    six(return_rate_12m) >= getvariable('contribution.return_rate_from')
        AND returned >= getvariable('credit.material_amount') AND returned >= getvariable('credit.material_share') * invoiced
        AS returns_warned
FROM net;
