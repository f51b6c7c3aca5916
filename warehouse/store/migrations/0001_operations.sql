-- The tables as the first released state (0.1.0, commit 2d73ffb) made them. Frozen: a change of a table is a migration of its own.
-- What each column means stands in its contract, and in the table's comments.

CREATE SCHEMA erp;
CREATE SCHEMA rated;
CREATE SCHEMA ops;
CREATE SCHEMA quarantine;

CREATE TABLE ops.migration (
    number INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    applied_at TIMESTAMP NOT NULL
);

-- The pipeline's own books.

CREATE TABLE ops.batch (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL,               -- loaded | unchanged | refused | superseded
    sequence BIGINT NOT NULL,
    extracted_at TIMESTAMP NOT NULL,
    fingerprint VARCHAR NOT NULL,           -- of the manifest, the files' sizes and times, and the mapping
    mapping_version VARCHAR NOT NULL,
    supersedes VARCHAR,
    recorded_at TIMESTAMP NOT NULL,
    load_generation BIGINT NOT NULL,
    reason VARCHAR                          -- why it was refused, one line
);

CREATE TABLE ops.batch_resource (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    resource VARCHAR NOT NULL,
    files VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,                -- of the files' hashes, in the manifest's order
    bytes BIGINT NOT NULL,
    mode VARCHAR NOT NULL,
    records BIGINT NOT NULL                 -- that could be split into columns
);

CREATE TABLE ops.batch_table (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    driving_resource VARCHAR NOT NULL,
    derived BOOLEAN NOT NULL,
    mode VARCHAR NOT NULL,
    rows_in BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    excluded BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    inserted BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    row_hash VARCHAR NOT NULL,              -- order-free: the number of rows and the sum of their hashes
    excluded_by VARCHAR                     -- "rule: rows, rule: rows"
);

CREATE TABLE ops.refusal (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    file VARCHAR,
    row_number BIGINT,
    column_name VARCHAR,
    message VARCHAR NOT NULL,
    remedy VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    fingerprint VARCHAR NOT NULL            -- of what was refused: the same again is not tried again
);

-- What a source said is gone before this warehouse ever had it: an older row that lands later must not come alive.
CREATE TABLE ops.tombstone (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    key VARCHAR NOT NULL,                   -- the key's columns as a JSON list
    batch_sequence BIGINT NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    batch_id VARCHAR NOT NULL
);

CREATE TABLE ops.dirty_cell (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    reaches_back BOOLEAN NOT NULL           -- whether past periods are to be rated again for it
);

-- One row a stage: what it has been brought up to (docs/architecture.md, Generations).
CREATE TABLE ops.generation (
    stage VARCHAR NOT NULL,                 -- load | rating | publication
    generation BIGINT NOT NULL,
    as_of DATE,
    policy_hash VARCHAR,
    recorded_at TIMESTAMP NOT NULL
);

-- Facts outside customer_month that changed since the last rating: from which date on, null where they bear none.
CREATE TABLE ops.dirty_table (
    company_code VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    earliest DATE
);

-- Every policy a rating was ever made under: a correction of an old period uses the policy of that period.
CREATE TABLE ops.policy (
    policy_hash VARCHAR NOT NULL,
    policy_id VARCHAR NOT NULL,
    policy_version VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    recorded_at TIMESTAMP NOT NULL
);

CREATE TABLE ops.outbox (
    event_id VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    type VARCHAR NOT NULL,
    time TIMESTAMP NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    body VARCHAR NOT NULL                   -- the CloudEvent as sent, byte for byte
);

CREATE TABLE quarantine.row (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    row_number BIGINT NOT NULL,
    staged JSON,                            -- the row as the source's SQL gave it, null where it never got that far
    raw JSON,                               -- the driving row as text, by the file's own columns
    recorded_at TIMESTAMP NOT NULL
);

CREATE TABLE quarantine.reason (
    source VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    row_number BIGINT NOT NULL,
    rule VARCHAR NOT NULL,
    column_name VARCHAR,
    raw_value VARCHAR,
    message VARCHAR NOT NULL
);

-- Facts, as the sources deliver them.

CREATE TABLE erp.customers (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    group_id VARCHAR,
    territory_id VARCHAR,
    industry_code VARCHAR,
    channel VARCHAR,
    credit_limit DECIMAL(18,4),
    credit_currency VARCHAR,
    payment_term_days INTEGER,
    created_on DATE,
    status VARCHAR NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.customer_assessments (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    assessed_on DATE NOT NULL,
    influence DECIMAL(7,4) NOT NULL,
    assessor VARCHAR NOT NULL,
    expires_on DATE NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.demand_estimates (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    product_group VARCHAR,
    period_start DATE NOT NULL,
    estimate_version VARCHAR NOT NULL,
    amount DECIMAL(18,4),
    quantity DECIMAL(18,6),
    unit VARCHAR,
    source VARCHAR NOT NULL,
    estimated_on DATE NOT NULL,
    supplied_by VARCHAR,
    current_price DECIMAL(18,4),
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.fx_rates (
    company_code VARCHAR NOT NULL,
    from_currency VARCHAR NOT NULL,
    to_currency VARCHAR NOT NULL,
    rate_date DATE NOT NULL,
    rate DECIMAL(18,9) NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.interactions (
    company_code VARCHAR NOT NULL,
    interaction_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    occurred_at TIMESTAMP NOT NULL,
    kind VARCHAR NOT NULL,
    direction VARCHAR NOT NULL,
    is_feedback BOOLEAN NOT NULL,
    product_group VARCHAR,
    project_ref VARCHAR,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.invoice_lines (
    company_code VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    line_id VARCHAR NOT NULL,
    document_type VARCHAR NOT NULL,
    invoice_date DATE NOT NULL,
    customer_id VARCHAR NOT NULL,
    product_id VARCHAR,
    quantity DECIMAL(18,6) NOT NULL,
    uom VARCHAR NOT NULL,
    net_amount DECIMAL(18,4) NOT NULL,
    currency VARCHAR NOT NULL,
    net_amount_company DECIMAL(18,4) NOT NULL,
    company_currency VARCHAR NOT NULL,
    cost_amount_company DECIMAL(18,4),
    cost_basis VARCHAR,
    freight_amount DECIMAL(18,4),
    rebate_amount DECIMAL(18,4),
    is_cancelled BOOLEAN NOT NULL,
    is_intercompany BOOLEAN,
    is_free_goods BOOLEAN,
    channel VARCHAR,
    ship_to_territory VARCHAR,
    references_document_id VARCHAR,
    reverses_document_id VARCHAR,
    base_quantity DECIMAL(18,6),
    salesperson_id VARCHAR,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.market_observations (
    company_code VARCHAR NOT NULL,
    observation_id VARCHAR NOT NULL,
    observed_on DATE NOT NULL,
    customer_id VARCHAR,
    product_id VARCHAR NOT NULL,
    found_territory VARCHAR NOT NULL,
    resale_price DECIMAL(18,4),
    evidence_ref VARCHAR NOT NULL,
    confirmed BOOLEAN NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.open_orders (
    company_code VARCHAR NOT NULL,
    order_id VARCHAR NOT NULL,
    line_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    amount DECIMAL(18,4) NOT NULL,
    promised_on DATE NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.payments (
    company_code VARCHAR NOT NULL,
    payment_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    payment_date DATE NOT NULL,
    amount DECIMAL(18,4) NOT NULL,
    currency VARCHAR NOT NULL,
    method VARCHAR,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.payment_allocations (
    company_code VARCHAR NOT NULL,
    payment_id VARCHAR NOT NULL,
    item_id VARCHAR NOT NULL,
    allocated_on DATE NOT NULL,
    amount DECIMAL(18,4) NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.price_floors (
    company_code VARCHAR NOT NULL,
    product_id VARCHAR NOT NULL,
    territory_id VARCHAR,
    channel VARCHAR,
    currency VARCHAR NOT NULL,
    uom VARCHAR NOT NULL,
    valid_from DATE NOT NULL,
    floor_net_price DECIMAL(18,4) NOT NULL,
    valid_to DATE,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.products (
    company_code VARCHAR NOT NULL,
    product_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    category VARCHAR,
    base_uom VARCHAR NOT NULL,
    lifecycle_stage VARCHAR,
    status_from DATE,
    standard_cost DECIMAL(18,4),
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.receivables (
    company_code VARCHAR NOT NULL,
    item_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    document_id VARCHAR,
    item_type VARCHAR NOT NULL,
    posting_date DATE NOT NULL,
    due_date DATE NOT NULL,
    original_amount DECIMAL(18,4) NOT NULL,
    currency VARCHAR NOT NULL,
    original_amount_company DECIMAL(18,4) NOT NULL,
    company_currency VARCHAR NOT NULL,
    cleared_date DATE,
    is_disputed BOOLEAN,
    promised_on DATE,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.territories (
    company_code VARCHAR NOT NULL,
    territory_id VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    product_group VARCHAR,
    valid_from DATE NOT NULL,
    valid_to DATE,
    exclusive BOOLEAN NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.tier_overrides (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    valid_from DATE NOT NULL,
    tier VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    valid_to DATE NOT NULL,
    lifts_credit_stop BOOLEAN,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

CREATE TABLE erp.uom_conversions (
    company_code VARCHAR NOT NULL,
    product_id VARCHAR,
    from_uom VARCHAR NOT NULL,
    to_uom VARCHAR NOT NULL,
    factor DECIMAL(18,9) NOT NULL,
    source_system VARCHAR NOT NULL,
    batch_id VARCHAR NOT NULL,
    batch_sequence BIGINT NOT NULL,
    source_file VARCHAR NOT NULL,
    source_file_sha256 VARCHAR NOT NULL,
    source_row BIGINT NOT NULL,
    source_changed_at TIMESTAMP,
    is_deleted BOOLEAN NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE NOT NULL
);

-- What is computed of them.

CREATE TABLE rated.conduct_finding (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    as_of DATE NOT NULL,
    confidence VARCHAR NOT NULL,
    reason VARCHAR,
    measure VARCHAR,
    value DECIMAL(18,6),
    threshold DECIMAL(18,6),
    evidence_count INTEGER,
    evidence_from DATE,
    evidence_to DATE,
    concerned_amount DECIMAL(38,4),
    evidence VARCHAR
);

CREATE TABLE rated.credit_warning_day (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    as_of DATE NOT NULL,
    warning_since DATE NOT NULL,
    warning_causes VARCHAR,
    warning_calm_since DATE
);

CREATE TABLE rated.credit_watch (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    as_of DATE NOT NULL,
    open_balance DECIMAL(38,4) NOT NULL,
    not_yet_due DECIMAL(38,4) NOT NULL,
    overdue_1_30 DECIMAL(38,4) NOT NULL,
    overdue_31_60 DECIMAL(38,4) NOT NULL,
    overdue_61_90 DECIMAL(38,4) NOT NULL,
    overdue_over_90 DECIMAL(38,4) NOT NULL,
    unapplied_credit DECIMAL(38,4) NOT NULL,
    disputed DECIMAL(38,4) NOT NULL,
    overdue_share DECIMAL(18,6),
    oldest_overdue_days DECIMAL(18,6),
    credit_limit DECIMAL(38,4),
    credit_limit_reason VARCHAR,
    open_orders DECIMAL(38,4),
    exposure DECIMAL(38,4) NOT NULL,
    utilisation DECIMAL(18,6),
    days_late_12m DECIMAL(18,6),
    days_beyond_terms_12m DECIMAL(18,6),
    dso_countback DECIMAL(18,6),
    best_possible_dso DECIMAL(18,6),
    average_days_delinquent DECIMAL(18,6),
    collection_effectiveness DECIMAL(18,6),
    days_late_trend DECIMAL(18,6),
    days_late_p90_12m DECIMAL(18,6),
    broken_promises INTEGER,
    newly_overdue_share DECIMAL(18,6),
    credit_grade VARCHAR,
    credit_action VARCHAR NOT NULL,
    action_reason VARCHAR,
    next_order_headroom DECIMAL(38,4),
    group_id VARCHAR,
    group_exposure DECIMAL(38,4),
    group_limit DECIMAL(38,4),
    group_headroom DECIMAL(38,4),
    warning_since DATE,
    warning_causes VARCHAR,
    warning_reason VARCHAR,
    warning_calm_since DATE
);

CREATE TABLE rated.credit_watch_day (
    company_code VARCHAR NOT NULL,
    as_of DATE NOT NULL
);

CREATE TABLE rated.customer_month (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    month DATE NOT NULL,
    net_sales DECIMAL(38,4) NOT NULL,
    quantity DECIMAL(38,6),
    orders BIGINT NOT NULL,
    returns DECIMAL(38,4) NOT NULL,
    cost DECIMAL(38,4),
    cost_basis VARCHAR,
    gross_amount DECIMAL(38,4) NOT NULL,
    gross_amount_with_cost DECIMAL(38,4) NOT NULL,
    freight DECIMAL(38,4),
    rebates DECIMAL(38,4),
    contribution DECIMAL(38,4)
);

CREATE TABLE rated.customer_structure (
    company_code VARCHAR NOT NULL,
    period DATE NOT NULL,
    level VARCHAR NOT NULL,
    channel VARCHAR NOT NULL,
    lifecycle_stage VARCHAR NOT NULL,
    territory VARCHAR NOT NULL,
    net_sales_12m DECIMAL(38,4) NOT NULL,
    contribution_12m DECIMAL(38,4),
    customers INTEGER NOT NULL,
    new_customers INTEGER NOT NULL,
    share_of_sales DECIMAL(18,6),
    hhi DECIMAL(9,6),
    top10_share DECIMAL(9,6),
    direct_share DECIMAL(18,6),
    export_share DECIMAL(18,6),
    new_product_share DECIMAL(18,6),
    net_sales_change DECIMAL(18,6),
    contribution_change DECIMAL(38,4),
    customers_change INTEGER NOT NULL
);

CREATE TABLE rated.customer_value_history (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    revision INTEGER NOT NULL,
    closed_through DATE NOT NULL,
    as_of DATE NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    cause VARCHAR NOT NULL,
    policy_id VARCHAR NOT NULL,
    policy_version VARCHAR NOT NULL,
    policy_hash VARCHAR NOT NULL,
    master_missing BOOLEAN NOT NULL,
    history_truncated BOOLEAN NOT NULL,
    months_of_history INTEGER NOT NULL,
    first_order_on DATE,
    last_order_on DATE,
    net_sales_12m DECIMAL(38,4),
    volume_reason VARCHAR,
    quantity_12m DECIMAL(38,6),
    abc_class VARCHAR,
    steadiness DECIMAL(9,6),
    steadiness_reason VARCHAR,
    steadiness_seasonal DECIMAL(9,6),
    xyz_class VARCHAR,
    contribution_12m DECIMAL(38,4),
    contribution_reason VARCHAR,
    contribution_basis VARCHAR,
    cost_coverage DECIMAL(9,6),
    margin_12m DECIMAL(18,6),
    loyalty DECIMAL(9,6),
    loyalty_reason VARCHAR,
    active_month_ratio DECIMAL(9,6),
    tenure_years DECIMAL(9,6),
    repurchase_timeliness DECIMAL(9,6),
    share_of_wallet DECIMAL(9,6),
    p_alive DECIMAL(9,6),
    feedback_rate DECIMAL(18,6),
    feedback_reason VARCHAR,
    complaints_12m INTEGER,
    influence DECIMAL(9,6),
    influence_reason VARCHAR,
    influence_assessor VARCHAR,
    influence_assessed_on DATE,
    headroom_12m DECIMAL(38,4),
    headroom_reason VARCHAR,
    potential_method VARCHAR,
    estimated_demand_12m DECIMAL(38,4),
    sales_trend DECIMAL(18,6),
    volume_score DECIMAL(7,4),
    steadiness_score DECIMAL(7,4),
    contribution_score DECIMAL(7,4),
    loyalty_score DECIMAL(7,4),
    feedback_score DECIMAL(7,4),
    influence_score DECIMAL(7,4),
    potential_score DECIMAL(7,4),
    volume_points DECIMAL(7,4),
    steadiness_points DECIMAL(7,4),
    contribution_points DECIMAL(7,4),
    loyalty_points DECIMAL(7,4),
    feedback_points DECIMAL(7,4),
    influence_points DECIMAL(7,4),
    potential_points DECIMAL(7,4),
    score DECIMAL(7,4),
    score_coverage DECIMAL(9,6) NOT NULL,
    unassessed VARCHAR,
    volume_class VARCHAR,
    loyalty_class VARCHAR,
    segment VARCHAR NOT NULL,
    raw_tier VARCHAR NOT NULL,
    ungated_tier VARCHAR NOT NULL,
    gate VARCHAR,
    memory_tier VARCHAR NOT NULL,
    tier_since DATE NOT NULL,
    periods_up INTEGER NOT NULL,
    up_tier VARCHAR,
    periods_down INTEGER NOT NULL,
    down_tier VARCHAR,
    cap_tier VARCHAR,
    cap_reason VARCHAR,
    cap_since DATE,
    cap_clean_periods INTEGER,
    override_tier VARCHAR,
    override_owner VARCHAR,
    override_reason VARCHAR,
    override_valid_to DATE,
    effective_tier VARCHAR NOT NULL,
    effective_rank INTEGER NOT NULL,
    watch_tier VARCHAR,
    watch_direction VARCHAR,
    watch_gap VARCHAR,
    watch_deadline DATE
);

CREATE TABLE rated.explanation (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    period_before DATE,
    score_from DECIMAL(7,4),
    score_to DECIMAL(7,4),
    drivers VARCHAR,
    held_by VARCHAR NOT NULL,
    gates VARCHAR,
    memory VARCHAR NOT NULL,
    binding_bar VARCHAR,
    counterfactual_tier VARCHAR,
    counterfactual VARCHAR
);

CREATE TABLE rated.explanation_term (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    term VARCHAR NOT NULL,
    period DATE NOT NULL,
    place INTEGER NOT NULL,
    value_from DECIMAL(38,6),
    value_to DECIMAL(38,6),
    score_from DECIMAL(7,4),
    score_to DECIMAL(7,4),
    points_from DECIMAL(7,4),
    points_to DECIMAL(7,4),
    delta DECIMAL(7,4),
    reason VARCHAR
);

CREATE TABLE rated.next_action (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    as_of DATE NOT NULL,
    action VARCHAR NOT NULL,
    priority INTEGER NOT NULL,
    place INTEGER NOT NULL,
    at_stake DECIMAL(38,4),
    reason VARCHAR
);

CREATE TABLE rated.order_day (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    order_on DATE NOT NULL,
    orders BIGINT NOT NULL,
    net_sales DECIMAL(38,4) NOT NULL
);

CREATE TABLE rated.partner_card (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    as_of DATE NOT NULL,
    name VARCHAR,
    tier_since DATE NOT NULL,
    score DECIMAL(7,4),
    net_sales_12m DECIMAL(38,4),
    sales_trend DECIMAL(18,6),
    steadiness DECIMAL(9,6),
    feedback_rate DECIMAL(18,6),
    joint_projects INTEGER,
    joint_work_12m INTEGER,
    last_joint_work_on DATE,
    complaints_12m INTEGER,
    overdue DECIMAL(38,4),
    disputed DECIMAL(38,4),
    watch_gap VARCHAR
);

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
    invoiced_quantity DECIMAL(38,6)
);

CREATE TABLE rated.tier_change (
    event_id VARCHAR NOT NULL,
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    revision INTEGER NOT NULL,
    as_of DATE NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    from_tier VARCHAR,
    from_rank INTEGER,
    to_tier VARCHAR NOT NULL,
    to_rank INTEGER NOT NULL,
    direction VARCHAR NOT NULL,
    cause VARCHAR NOT NULL,
    raw_tier VARCHAR NOT NULL,
    segment_from VARCHAR,
    segment_to VARCHAR NOT NULL,
    score_from DECIMAL(7,4),
    score_to DECIMAL(7,4),
    reasons VARCHAR,
    policy_version VARCHAR NOT NULL,
    policy_hash VARCHAR NOT NULL,
    supersedes VARCHAR
);

CREATE TABLE rated.value_curve (
    company_code VARCHAR NOT NULL,
    customer_id VARCHAR NOT NULL,
    period DATE NOT NULL,
    place INTEGER NOT NULL,
    contribution_12m DECIMAL(38,4) NOT NULL,
    cumulative_contribution DECIMAL(38,4) NOT NULL,
    customer_share DECIMAL(9,6) NOT NULL,
    cumulative_share DECIMAL(18,6),
    is_peak BOOLEAN NOT NULL,
    destroyed DECIMAL(38,4) NOT NULL
);
