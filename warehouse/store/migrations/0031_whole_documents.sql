-- The document of the ERP that a row is of, by a name that never changes there; what is here already has none yet.

ALTER TABLE erp.customers ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.customer_assessments ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.demand_estimates ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.fx_rates ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.interactions ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.invoice_lines ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.market_observations ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.open_orders ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.payments ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.payment_allocations ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.price_floors ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.products ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.receivables ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.territories ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.tier_overrides ADD COLUMN source_document VARCHAR;
ALTER TABLE erp.uom_conversions ADD COLUMN source_document VARCHAR;

-- Which batches delivered a document whole: an older line that lands later, and is not in them, must not come alive.
CREATE TABLE ops.whole_document (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    document VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    batch_id VARCHAR NOT NULL
);
