-- What a credit manager needs to know of an item and of a customer: how an item was settled, what a credit belongs to,
-- how much is disputed and since when, what is secured, and why a customer is blocked.
ALTER TABLE erp.customers ADD COLUMN status_reason VARCHAR;
ALTER TABLE erp.customers ADD COLUMN group_limit DECIMAL(18,4);
ALTER TABLE erp.customers ADD COLUMN secured_amount DECIMAL(18,4);
ALTER TABLE erp.customers ADD COLUMN secured_until DATE;
ALTER TABLE erp.receivables ADD COLUMN item_settlement VARCHAR;
ALTER TABLE erp.receivables ADD COLUMN bill_due_on DATE;
ALTER TABLE erp.receivables ADD COLUMN references_document_id VARCHAR;
ALTER TABLE erp.receivables ADD COLUMN references_order_id VARCHAR;
ALTER TABLE erp.receivables ADD COLUMN disputed_amount DECIMAL(18,4);
ALTER TABLE erp.receivables ADD COLUMN disputed_from DATE;
ALTER TABLE erp.receivables ADD COLUMN disputed_to DATE;
