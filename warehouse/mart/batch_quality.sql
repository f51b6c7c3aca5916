SELECT company_code, source_system, batch_id, extracted_at, loaded_at, status, sum(rows_in)::BIGINT AS rows_in,
    sum(accepted)::BIGINT AS accepted, sum(quarantined)::BIGINT AS quarantined,
    sum(waiting)::BIGINT AS waiting, sum(excluded)::BIGINT AS excluded,
    sum(refused)::BIGINT AS refused,
    CAST(CASE WHEN sum(rows_in) > 0 THEN round(sum(quarantined)::DOUBLE / sum(rows_in)::DOUBLE, 6) END
        AS DECIMAL(18,6))::DOUBLE AS quarantined_share,
    string_agg(table_name || ': ' || reasons, '; ' ORDER BY table_name) AS reasons
FROM data_quality
GROUP BY company_code, source_system, batch_id, extracted_at, loaded_at, status
