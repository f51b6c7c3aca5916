-- What a customer's rhythm, its returns and the cost of what has none are told by. The cells hold nothing that the lines do
-- not: they are made anew, and summed again from all of them at the next rating.
DROP TABLE rated.customer_month;
CREATE TABLE rated.customer_month (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    net_sales DECIMAL(38,4) NOT NULL,
    quantity DECIMAL(38,6),
    orders BIGINT NOT NULL,
    invoiced DECIMAL(38,4) NOT NULL,
    returns DECIMAL(38,4) NOT NULL,
    price_credits DECIMAL(38,4) NOT NULL,
    cost DECIMAL(38,4),
    cost_basis VARCHAR,
    gross_amount DECIMAL(38,4) NOT NULL,
    gross_amount_with_cost DECIMAL(38,4) NOT NULL,
    freight DECIMAL(38,4),
    rebates DECIMAL(38,4),
    contribution DECIMAL(38,4)
);
DROP TABLE rated.order_day;
CREATE TABLE rated.order_day (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    order_on DATE NOT NULL,
    orders BIGINT NOT NULL,
    net_sales DECIMAL(38,4) NOT NULL,
    credited_orders BIGINT NOT NULL,
    credited_net_sales DECIMAL(38,4) NOT NULL
);
DROP TABLE rated.sales_cell;
CREATE TABLE rated.sales_cell (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    product_id VARCHAR,
    channel VARCHAR,
    ship_to_territory VARCHAR,
    net_sales DECIMAL(38,4) NOT NULL,
    contribution DECIMAL(38,4),
    invoiced_net_sales DECIMAL(38,4) NOT NULL,
    invoiced_quantity DECIMAL(38,6),
    covered_cost DECIMAL(38,4) NOT NULL,
    covered_quantity DECIMAL(38,6) NOT NULL,
    costed_cost DECIMAL(38,4) NOT NULL,
    costed_net_sales DECIMAL(38,4) NOT NULL,
    uncosted_quantity DECIMAL(38,6) NOT NULL,
    uncosted_net_sales DECIMAL(38,4) NOT NULL,
    uncosted_gross DECIMAL(38,4) NOT NULL,
    unmeasured_net_sales DECIMAL(38,4) NOT NULL
);
ALTER TABLE rated.customer_value_history ADD COLUMN quantity_effect_12m DECIMAL(38,4);
ALTER TABLE rated.customer_value_history ADD COLUMN price_effect_12m DECIMAL(38,4);
ALTER TABLE rated.customer_value_history ADD COLUMN quantity_change_12m DECIMAL(18,6);
ALTER TABLE rated.customer_value_history ADD COLUMN sales_change_cause VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN loss_component VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN cost_estimated_share DECIMAL(9,6);
ALTER TABLE rated.customer_value_history ADD COLUMN cost_estimated_12m DECIMAL(38,4);
ALTER TABLE rated.customer_value_history ADD COLUMN return_rate_12m DECIMAL(18,6);
ALTER TABLE rated.customer_value_history ADD COLUMN price_credit_rate_12m DECIMAL(18,6);
ALTER TABLE rated.customer_value_history ADD COLUMN returns_warned BOOLEAN;
ALTER TABLE rated.customer_value_history ADD COLUMN loyalty_basis VARCHAR;
ALTER TABLE rated.customer_value_history ADD COLUMN season_months INTEGER;
ALTER TABLE rated.customer_value_history ADD COLUMN usual_gap_days DECIMAL(18,6);
ALTER TABLE rated.customer_value_history ADD COLUMN strategic_basis VARCHAR;
INSERT INTO ops.dirty_cell (company_code, customer_id, month, reaches_back)
SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', invoice_date) AS DATE), false
FROM erp.invoice_lines;
