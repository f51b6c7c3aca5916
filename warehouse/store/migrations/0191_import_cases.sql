-- Product groups that a customer imports or imported, and how far they have been replaced by ours.
CREATE TABLE rated.import_case (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    product_group VARCHAR,
    period DATE NOT NULL,
    as_of DATE NOT NULL,
    stage VARCHAR NOT NULL,
    demand_12m DECIMAL(38,4),
    quantity DECIMAL(18,6),
    unit VARCHAR,
    current_price DECIMAL(18,4),
    net_sales_12m DECIMAL(38,4) NOT NULL,
    imported_since DATE NOT NULL,
    estimated_on DATE NOT NULL,
    joint_work_12m INTEGER,
    last_joint_work_on DATE
);
