-- Which posting cleared an item: two clearings on one day are two.
ALTER TABLE erp.receivables ADD COLUMN clearing_id VARCHAR;
