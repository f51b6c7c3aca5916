-- Grain: one line of the file. The file has no line number, and 5,268 of its lines repeat another one to the letter (the
-- same article keyed twice on one invoice): a line is named by its content and by its number among the equal lines of its
-- invoice, so that neither the order of the file nor its split by invoice changes a key.
WITH line AS (
    SELECT
        *,
        regexp_replace(customer, '\.0$', '') AS customer_id,     -- a spreadsheet wrote the code as a number: 17850.0
        quantity::DECIMAL(38, 6) * unit_price AS net_amount,     -- wide enough for any product of the two
        concat_ws(
            chr(31), stock_code, coalesce(description, ''), coalesce(quantity::VARCHAR, ''), coalesce(invoice_date::VARCHAR, ''),
            coalesce(unit_price::VARCHAR, ''), coalesce(customer, ''), coalesce(country, '')
        ) AS content
    FROM LINES
)
SELECT
    invoice_no AS document_id,
    content_line_id(content, row_number() OVER (PARTITION BY invoice_no, content ORDER BY _file, _row)) AS line_id,
    CASE
        WHEN starts_with(invoice_no, 'C') THEN 'credit_note'
        WHEN starts_with(invoice_no, 'A') AND net_amount < 0 THEN 'credit_note'    -- A…: bad debt written off,
        WHEN starts_with(invoice_no, 'A') THEN 'debit_note'                        -- and its reversal
        ELSE 'invoice'
    END AS document_type,
    invoice_date,
    customer_id,
    stock_code AS product_id,
    quantity,
    'EA' AS uom,
    net_amount,
    'GBP' AS currency,
    net_amount AS net_amount_company,
    'GBP' AS company_currency,
    false AS is_cancelled,
    false AS is_intercompany,
    unit_price = 0 AND quantity > 0 AS is_free_goods,            -- price 0 and quantity < 0 is stock written off
    CASE WHEN country = 'United Kingdom' THEN 'direct' ELSE 'export' END AS channel,
    country AS ship_to_territory,
    _file,
    _row
FROM line
