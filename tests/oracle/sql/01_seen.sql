-- What a rating may see. Grain of each table: that of the canonical table.
-- Facts with available_on <= as_of. Reading: masters (customers, products) bear no date, since they may land
-- later: an invoice of March is priced with the product as the books have it now.
CREATE OR REPLACE TABLE seen.customers AS FROM erp.customers WHERE NOT is_deleted;
CREATE OR REPLACE TABLE seen.products AS FROM erp.products WHERE NOT is_deleted;
CREATE OR REPLACE TABLE seen.invoice_lines AS
    FROM erp.invoice_lines WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.receivables AS
    FROM erp.receivables WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.payment_allocations AS
    FROM erp.payment_allocations WHERE NOT is_deleted AND available_on <= getvariable('as_of');
-- Reading: open orders bear no date, and the latest run sees them as they were extracted last.
CREATE OR REPLACE TABLE seen.open_orders AS FROM erp.open_orders WHERE NOT is_deleted;
CREATE OR REPLACE TABLE seen.payments AS
    FROM erp.payments WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.fx_rates AS
    FROM erp.fx_rates WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.interactions AS
    FROM erp.interactions WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.demand_estimates AS
    FROM erp.demand_estimates WHERE NOT is_deleted AND available_on <= getvariable('as_of');
CREATE OR REPLACE TABLE seen.customer_assessments AS
    FROM erp.customer_assessments WHERE NOT is_deleted AND available_on <= getvariable('as_of');
