-- What was sold by whom; every customer-month is summed again to know it of the past.
CREATE TABLE rated.salesperson_month (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    salesperson_id VARCHAR,
    net_sales DECIMAL(38,4) NOT NULL
);
INSERT INTO ops.dirty_cell (company_code, customer_id, month, reaches_back)
SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', invoice_date) AS DATE), false
FROM erp.invoice_lines;
