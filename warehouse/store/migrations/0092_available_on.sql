-- From when on a fact may be seen by a rating: available, as the field says of point-in-time data.
ALTER TABLE erp.customer_assessments RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.customers RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.demand_estimates RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.fx_rates RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.interactions RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.invoice_lines RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.market_observations RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.open_orders RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.payment_allocations RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.payments RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.price_floors RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.products RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.receivables RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.territories RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.tier_overrides RENAME COLUMN known_on TO available_on;
ALTER TABLE erp.uom_conversions RENAME COLUMN known_on TO available_on;
