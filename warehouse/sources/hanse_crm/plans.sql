-- Grain: one row a plan, version, level, member of the level and span of months.
SELECT
    plan AS plan_id,
    version AS plan_version,
    level,
    member,
    valid_from AS period_start,
    valid_to AS period_end,
    net_sales AS planned_net_sales,
    planned AS planned_on,
    _file,
    _row
FROM PLANS
