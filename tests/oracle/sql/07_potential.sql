-- Grain: one customer with an estimate made by closed_through. Of each product group the latest rules; of
-- several of one day the one whose twelve months have begun and begin last, then the last version.
-- Reading: an estimate of all products together is not added to those of single groups: the later one counts, the whole
-- one where both are of a day. Goods are worth what the customer pays for them today; one group that cannot be valued
-- leaves the sum unknown.
CREATE OR REPLACE TABLE oracle.demand AS
WITH latest AS (
    SELECT company_code, customer_id, product_group,
        max(estimated_on) AS made_on,
        arg_max({'amount': coalesce(amount, from_units4(half_even(units6(quantity) * units4(current_price), 1000000)))},
            (estimated_on, period_start <= getvariable('closed_through'), period_start, estimate_version)).amount AS amount
    FROM seen.demand_estimates
    WHERE estimated_on <= getvariable('closed_through')
    GROUP BY ALL
),
compared AS (
    SELECT *,
        max(made_on) FILTER (product_group IS NULL) OVER one_customer AS whole_made_on,
        max(made_on) FILTER (product_group IS NOT NULL) OVER one_customer AS groups_made_on
    FROM latest
    WINDOW one_customer AS (PARTITION BY company_code, customer_id)
)
SELECT company_code, customer_id,
    CASE WHEN count(amount) = count(*) THEN sum(amount) END::DECIMAL(38, 4) AS estimated_demand_12m
FROM compared
WHERE (product_group IS NULL) = (whole_made_on IS NOT NULL AND (groups_made_on IS NULL OR whole_made_on >= groups_made_on))
GROUP BY ALL;

-- Grain: one rated customer. Who has no volume yet has bought nothing.
CREATE OR REPLACE TABLE oracle.potential AS
-- Reading: members of a peer group are those with a volume, the customer itself among them; P80 is the nearest rank.
WITH peer AS (
    SELECT company_code, industry_code, channel,
        list(net_sales_12m ORDER BY net_sales_12m) AS volumes
    FROM oracle.customer
    JOIN oracle.volume USING (company_code, customer_id)
    WHERE industry_code IS NOT NULL AND channel IS NOT NULL AND net_sales_12m IS NOT NULL
    GROUP BY ALL
    HAVING count(*) >= getvariable('potential.min_peers')
),
level AS (
    SELECT company_code, industry_code, channel, volumes[ceil(getvariable('potential.quantile') * len(volumes))::INTEGER] AS peer_level
    FROM peer
    WHERE getvariable('potential.peers')
),
compared AS (
    SELECT company_code, customer_id, estimated_demand_12m, demand.customer_id IS NOT NULL AS has_estimate,
        coalesce(estimated_demand_12m, peer_level) - coalesce(net_sales_12m, 0) AS above_volume,
        CASE WHEN estimated_demand_12m IS NOT NULL THEN 'estimate' WHEN peer_level IS NOT NULL THEN 'peers' END AS potential_method
    FROM oracle.customer
    JOIN oracle.volume USING (company_code, customer_id)
    LEFT JOIN oracle.demand USING (company_code, customer_id)
    LEFT JOIN level USING (company_code, industry_code, channel)
)
SELECT company_code, customer_id, estimated_demand_12m, potential_method,
    (CASE WHEN above_volume < 0 THEN 0 ELSE above_volume END)::DECIMAL(38, 4) AS headroom_12m,
    CASE WHEN above_volume IS NOT NULL THEN NULL
         WHEN getvariable('potential.peers') THEN 'no_peers'
         WHEN has_estimate THEN 'not_valued'
         WHEN company_code IN (SELECT company_code FROM oracle.delivered WHERE table_name = 'demand_estimates') THEN 'no_estimate'
         ELSE 'not_delivered' END AS headroom_reason
FROM compared;
