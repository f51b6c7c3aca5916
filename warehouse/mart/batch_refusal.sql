-- Why a batch was refused: every fault that was found, with its place and what to do.
SELECT fault.company_code, fault.source AS source_system, fault.batch_id,
    row_number() OVER (
        PARTITION BY fault.source, fault.company_code, fault.batch_id
        ORDER BY rule, file, row_number, column_name, message, remedy
    )::INTEGER AS fault_number,
    rule, file, row_number, column_name, message, remedy, recorded_at AS refused_at
FROM ops.refusal AS fault
