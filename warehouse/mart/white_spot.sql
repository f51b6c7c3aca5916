-- A peer buys of a group if its net sales in it over the 12 months are above 0. A group is usual among peers if at least five of them,
-- and half of them, buy of it; what it may be worth is the middle one's share of its own sales, on what this customer buys now.
WITH bought AS (
    SELECT company_code, coalesce(successor_id, customer_id) AS customer_id, product_category,
        sum(CASE WHEN share < 1 THEN net_sales * share ELSE net_sales END) AS net_sales
    FROM sales_by_customer_product
    LEFT JOIN customer_succession USING (company_code, customer_id)
    JOIN (SELECT company_code, max(period) AS latest FROM customer_value GROUP BY company_code) USING (company_code)
    WHERE month > latest - INTERVAL 12 MONTHS AND product_category IS NOT NULL
    GROUP BY ALL
    HAVING sum(net_sales) > 0
), buyer AS (
    SELECT company_code, customer_id, customer.name, customer.industry_code, customer.channel, salesperson_id, net_sales_12m
    FROM customer_value JOIN customer USING (company_code, customer_id)
    WHERE net_sales_12m > 0 AND effective_rank > 0 AND customer.industry_code IS NOT NULL AND customer.channel IS NOT NULL
        AND coalesce(customer.status, 'active') NOT IN ('blocked', 'inactive')
), peers AS (
    SELECT company_code, industry_code, channel, count(*) AS peers FROM buyer GROUP BY company_code, industry_code, channel
), usual AS (
    SELECT company_code, industry_code, channel, product_category, any_value(peers)::INTEGER AS peers,
        count(*)::INTEGER AS peers_buying, round(median(net_sales::DOUBLE / net_sales_12m::DOUBLE), 6)::DECIMAL(18,6) AS peer_share
    FROM buyer JOIN bought USING (company_code, customer_id) JOIN peers USING (company_code, industry_code, channel)
    GROUP BY company_code, industry_code, channel, product_category
    HAVING count(*) >= greatest(5, any_value(peers) / 2)
)
SELECT company_code, customer_id, name, salesperson_id, industry_code, channel, product_category, peers, peers_buying,
    usual.peer_share::DOUBLE AS peer_share,
    (usual.peer_share * net_sales_12m::DECIMAL(20,4))::DECIMAL(38,4) AS worth_12m
FROM buyer JOIN usual USING (company_code, industry_code, channel)
LEFT JOIN bought USING (company_code, customer_id, product_category)
WHERE bought.net_sales IS NULL
