-- The fate of every delivered row, with the rules that rows broke; a refused batch says why it was refused. Findings are those of
-- batch_finding in one text.
WITH findings AS (
    SELECT company_code, source_system, batch_id, table_name, string_agg(told, ', ' ORDER BY told) AS findings
    FROM (
        SELECT company_code, source_system, batch_id, table_name,
            finding || coalesce('_' || dated_after, '') || ': ' || row_count || coalesce(' (' || net_sales || ')', '') AS told
        FROM publishing.main.batch_finding
    )
    GROUP BY ALL
), broken AS (
    SELECT source, company_code, batch_id, table_name, rule, count(DISTINCT (file, row_number)) AS row_count
    FROM quarantine.reason
    GROUP BY ALL
), reasons AS (
    SELECT source, company_code, batch_id, table_name,
        string_agg(rule || ': ' || row_count, ', ' ORDER BY row_count DESC, rule) AS reasons
    FROM broken
    GROUP BY ALL
)
SELECT fate.company_code, fate.source AS source_system, batch_id, fate.table_name, batch.sequence, batch.extracted_at,
    batch.recorded_at AS loaded_at, batch.status, fate.mode, fate.rows_in, fate.accepted, fate.quarantined,
    coalesce(fate.waiting, 0) AS waiting, fate.excluded,
    fate.refused, fate.inserted, fate.updated, fate.unchanged, fate.deleted,
    coalesce(batch.reason, reasons.reasons) AS reasons, findings.findings
FROM ops.batch_table AS fate
JOIN ops.batch AS batch USING (source, company_code, batch_id)
LEFT JOIN reasons USING (source, company_code, batch_id, table_name)
LEFT JOIN findings
    ON findings.company_code = fate.company_code AND findings.source_system = fate.source
    AND findings.batch_id = fate.batch_id AND findings.table_name = fate.table_name
