-- By what a row was deleted: a rule of its source's SQL, a tombstone, a snapshot, a window or a set of keys without it.

ALTER TABLE erp.customers ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.customer_assessments ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.demand_estimates ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.fx_rates ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.interactions ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.invoice_lines ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.market_observations ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.open_orders ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.payments ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.payment_allocations ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.price_floors ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.products ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.receivables ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.territories ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.tier_overrides ADD COLUMN deleted_by VARCHAR;
ALTER TABLE erp.uom_conversions ADD COLUMN deleted_by VARCHAR;

-- What is gone before its row came, so that the row says it too; what older tombstones came by is not known.
ALTER TABLE ops.tombstone ADD COLUMN deleted_by VARCHAR;
