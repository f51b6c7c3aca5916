-- Before service and carrying it is another figure than a customer's contribution, and has a name of its own.
ALTER TABLE rated.customer_structure RENAME COLUMN contribution_12m TO gross_contribution_12m;
