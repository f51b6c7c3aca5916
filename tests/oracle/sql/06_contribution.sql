-- DOMAIN 2.3. Grain: one item of the ledger, with what was open of it summed over the days of the year.
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

-- Grain: one rated customer. A component that was not delivered is left out.
-- Reading: a year without a line has no contribution (there are no sales whose cost could be known), and neither has one
-- without any cost, whatever the policy's floor; where only goods were given away, any cost is all the cost.
CREATE OR REPLACE TABLE oracle.contribution AS
WITH sold AS (
    SELECT company_code, customer_id, sum(net_sales) AS net_sales, sum(cost) AS cost, sum(freight) AS freight,
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
part AS (
    SELECT company_code, customer_id, net_sales, cost, freight, rebates, gross,
        CASE WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'interactions')
             THEN coalesce(service, 0) END AS service,
        CASE WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'receivables')
             THEN coalesce(carrying, 0) END AS carrying,
        CASE WHEN gross > 0 THEN gross_with_cost::DOUBLE / gross::DOUBLE END AS cost_coverage
    FROM oracle.customer
    LEFT JOIN sold USING (company_code, customer_id)
    LEFT JOIN served USING (company_code, customer_id)
    LEFT JOIN owed USING (company_code, customer_id)
),
reasoned AS (
    SELECT *,
        CASE WHEN net_sales IS NULL THEN 'no_sales'
             WHEN cost IS NULL OR six(cost_coverage) < getvariable('contribution.cost_coverage_floor') THEN 'no_cost'
        END AS contribution_reason
    FROM part
),
net AS (
    SELECT *,
        CASE WHEN contribution_reason IS NULL THEN
            net_sales - cost - coalesce(freight, 0) - coalesce(rebates, 0) - coalesce(service, 0) - coalesce(carrying, 0)
        END::DECIMAL(38, 4) AS contribution_12m
    FROM reasoned
)
SELECT company_code, customer_id, contribution_12m, contribution_reason, cost_coverage,
    CASE WHEN contribution_reason IS NULL THEN concat_ws(', ', 'net_sales', 'cost',
        CASE WHEN freight IS NOT NULL THEN 'freight' END, CASE WHEN rebates IS NOT NULL THEN 'rebates' END,
        CASE WHEN service IS NOT NULL THEN 'service' END, CASE WHEN carrying IS NOT NULL THEN 'carrying' END)
    END AS contribution_basis,
    CASE WHEN net_sales > 0 THEN contribution_12m::DOUBLE / net_sales::DOUBLE END AS margin_12m
FROM net;
