-- The fate of every delivered row, with the rules that rows broke; a refused batch says why it was refused.
WITH broken AS (
    SELECT source, company_code, batch_id, table_name, rule, count(DISTINCT (file, row_number)) AS row_count
    FROM quarantine.reason
    GROUP BY ALL
), reasons AS (
    SELECT source, company_code, batch_id, table_name,
        string_agg(rule || ': ' || row_count, ', ' ORDER BY row_count DESC, rule) AS reasons
    FROM broken
    GROUP BY ALL
)
SELECT company_code, source AS source_system, batch_id, table_name, batch.sequence, batch.extracted_at,
    batch.recorded_at AS loaded_at, batch.status, fate.mode, fate.rows_in, fate.accepted, fate.quarantined, fate.excluded,
    fate.refused, fate.inserted, fate.updated, fate.unchanged, fate.deleted,
    coalesce(batch.reason, reasons.reasons) AS reasons
FROM ops.batch_table AS fate
JOIN ops.batch AS batch USING (source, company_code, batch_id)
LEFT JOIN reasons USING (source, company_code, batch_id, table_name)
