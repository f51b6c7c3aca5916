-- Grain: one row a line of a sales order that is not billed yet.
SELECT *
FROM open_orders
