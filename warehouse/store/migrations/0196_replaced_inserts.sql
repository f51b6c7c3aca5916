-- How many rows were put into the canonical tables by batches whose entry in the ledger has been replaced since, or is gone:
-- by another mapping, by a reload, with what a correction gave. Those rows are there, since none is ever removed, so that
-- rows = inserted by the ledger + inserted by these. What an older version did not keep is what is missing to that.
CREATE TABLE ops.replaced_insert (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    inserted BIGINT NOT NULL
);
INSERT INTO ops.replaced_insert (company_code, table_name, inserted)
SELECT company_code, table_name, rows - coalesce(told.inserted, 0)
FROM (
    SELECT company_code, 'actions' AS table_name, count(*) AS rows FROM erp.actions GROUP BY ALL
    UNION ALL SELECT company_code, 'customer_assessments' AS table_name, count(*) AS rows FROM erp.customer_assessments GROUP BY ALL
    UNION ALL SELECT company_code, 'customer_successions' AS table_name, count(*) AS rows FROM erp.customer_successions GROUP BY ALL
    UNION ALL SELECT company_code, 'customers' AS table_name, count(*) AS rows FROM erp.customers GROUP BY ALL
    UNION ALL SELECT company_code, 'demand_estimates' AS table_name, count(*) AS rows FROM erp.demand_estimates GROUP BY ALL
    UNION ALL SELECT company_code, 'fx_rates' AS table_name, count(*) AS rows FROM erp.fx_rates GROUP BY ALL
    UNION ALL SELECT company_code, 'interactions' AS table_name, count(*) AS rows FROM erp.interactions GROUP BY ALL
    UNION ALL SELECT company_code, 'invoice_lines' AS table_name, count(*) AS rows FROM erp.invoice_lines GROUP BY ALL
    UNION ALL SELECT company_code, 'market_observations' AS table_name, count(*) AS rows FROM erp.market_observations GROUP BY ALL
    UNION ALL SELECT company_code, 'open_orders' AS table_name, count(*) AS rows FROM erp.open_orders GROUP BY ALL
    UNION ALL SELECT company_code, 'payment_allocations' AS table_name, count(*) AS rows FROM erp.payment_allocations GROUP BY ALL
    UNION ALL SELECT company_code, 'payments' AS table_name, count(*) AS rows FROM erp.payments GROUP BY ALL
    UNION ALL SELECT company_code, 'plans' AS table_name, count(*) AS rows FROM erp.plans GROUP BY ALL
    UNION ALL SELECT company_code, 'price_floors' AS table_name, count(*) AS rows FROM erp.price_floors GROUP BY ALL
    UNION ALL SELECT company_code, 'products' AS table_name, count(*) AS rows FROM erp.products GROUP BY ALL
    UNION ALL SELECT company_code, 'receivables' AS table_name, count(*) AS rows FROM erp.receivables GROUP BY ALL
    UNION ALL SELECT company_code, 'territories' AS table_name, count(*) AS rows FROM erp.territories GROUP BY ALL
    UNION ALL SELECT company_code, 'tier_overrides' AS table_name, count(*) AS rows FROM erp.tier_overrides GROUP BY ALL
    UNION ALL SELECT company_code, 'uom_conversions' AS table_name, count(*) AS rows FROM erp.uom_conversions GROUP BY ALL
)
LEFT JOIN (
    SELECT company_code, table_name, sum(inserted) AS inserted FROM ops.batch_table GROUP BY ALL
) AS told USING (company_code, table_name)
WHERE rows > coalesce(told.inserted, 0);
