-- Grain: one row a sighting of our goods in the market.
SELECT *
FROM market_observations
