-- Grain: one customer, month, product, channel and ship-to with a line that counts; cost
-- is rounded in the cell. Invoiced: goods at a price in a known quantity, before credits.
CREATE OR REPLACE TABLE oracle.sales_cell AS
WITH summed AS (
    SELECT company_code, customer_id, month, product_id, channel, ship_to_territory,
        sum(net)::DECIMAL(38, 4) AS net_sales,
        from_units4(half_even(sum(fine_cost), 1000000)) AS cost,
        coalesce(sum(freight), 0) + coalesce(sum(rebate), 0) AS charged,
        coalesce(sum(net) FILTER (is_invoiced AND in_base_units IS NOT NULL), 0)::DECIMAL(38, 4) AS invoiced_net_sales,
        (sum(in_base_units) FILTER (is_invoiced))::DECIMAL(38, 6) AS invoiced_quantity,
        -- What a missing cost is told from. Reading: of what goods cost a unit, returns are no less a witness
        -- than sales, so absolute sums are compared
        from_units4(half_even(coalesce(sum(abs(fine_cost)) FILTER (is_covered), 0), 1000000)) AS covered_cost,
        coalesce(sum(abs(in_base_units)) FILTER (is_covered), 0)::DECIMAL(38, 6) AS covered_quantity,
        from_units4(half_even(coalesce(sum(fine_cost) FILTER (is_costed), 0), 1000000)) AS costed_cost,
        coalesce(sum(net) FILTER (is_costed), 0)::DECIMAL(38, 4) AS costed_net_sales,
        coalesce(sum(in_base_units) FILTER (is_uncosted), 0)::DECIMAL(38, 6) AS uncosted_quantity,
        coalesce(sum(net) FILTER (is_uncosted), 0)::DECIMAL(38, 4) AS uncosted_net_sales,
        coalesce(sum(abs(net)) FILTER (is_uncosted), 0)::DECIMAL(38, 4) AS uncosted_gross,
        coalesce(sum(net) FILTER (is_uncosted AND in_base_units IS NULL), 0)::DECIMAL(38, 4) AS unmeasured_net_sales
    FROM (SELECT *, document_type = 'invoice' AND quantity > 0 AND is_free_goods IS DISTINCT FROM true AS is_invoiced,
              moves_goods AND fine_cost IS NOT NULL AND in_base_units IS NOT NULL AS is_covered,
              moves_goods AND fine_cost IS NOT NULL AND document_type = 'invoice' AS is_costed,
              moves_goods AND fine_cost IS NULL AS is_uncosted
          FROM oracle.counted_line)
    GROUP BY ALL
)
SELECT * EXCLUDE (cost, charged), (net_sales - cost - charged)::DECIMAL(38, 4) AS contribution
FROM summed;
