-- What customers are expected to bring: the latest, by month and in total, and each period's as first recorded, with how it came out.
CREATE TABLE rated.customer_expectation (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    expected_net_sales_12m DECIMAL(38,4),
    expected_net_sales_low DECIMAL(38,4),
    expected_net_sales_high DECIMAL(38,4),
    expected_contribution_12m DECIMAL(38,4),
    expected_basis VARCHAR NOT NULL,
    buying_share DECIMAL(9,6),
    model_version INTEGER NOT NULL
);
CREATE TABLE rated.expectation_month (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    period DATE NOT NULL,
    expected_net_sales DECIMAL(38,4) NOT NULL
);
CREATE TABLE rated.expectation_total (
    company_code VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    member VARCHAR NOT NULL,
    period DATE NOT NULL,
    customers INTEGER NOT NULL,
    expected_net_sales_12m DECIMAL(38,4) NOT NULL,
    expected_net_sales_low DECIMAL(38,4),
    expected_net_sales_high DECIMAL(38,4),
    expected_contribution_12m DECIMAL(38,4)
);
CREATE TABLE rated.customer_forecast (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    expected_net_sales_12m DECIMAL(38,4),
    expected_net_sales_low DECIMAL(38,4),
    expected_net_sales_high DECIMAL(38,4),
    expected_basis VARCHAR NOT NULL,
    net_sales_12m DECIMAL(38,4) NOT NULL,
    model_version INTEGER NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    origin VARCHAR NOT NULL
);
CREATE TABLE rated.forecast_accuracy (
    company_code VARCHAR NOT NULL,
    period DATE NOT NULL,
    origin VARCHAR NOT NULL,
    model_version INTEGER NOT NULL,
    customers INTEGER NOT NULL,
    expected_net_sales DECIMAL(38,4) NOT NULL,
    actual_net_sales DECIMAL(38,4) NOT NULL,
    total_error DECIMAL(18,6),
    wape DECIMAL(18,6),
    last_year_net_sales DECIMAL(38,4) NOT NULL,
    last_year_total_error DECIMAL(18,6),
    last_year_wape DECIMAL(18,6),
    covered_share DECIMAL(9,6),
    covered_share_large DECIMAL(9,6),
    new_customer_net_sales DECIMAL(38,4) NOT NULL
);
