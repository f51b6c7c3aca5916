-- Grain: one row a floor price of a product in a territory, channel, currency and unit, from a day on.
SELECT *
FROM price_floors
