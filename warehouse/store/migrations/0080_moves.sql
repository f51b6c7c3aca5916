-- What a move is compared with, and what the business was then and now.
ALTER TABLE rated.tier_change ADD COLUMN base_period DATE;
ALTER TABLE rated.tier_change ADD COLUMN net_sales_from DECIMAL(38,4);
ALTER TABLE rated.tier_change ADD COLUMN net_sales_to DECIMAL(38,4);
ALTER TABLE rated.tier_change ADD COLUMN contribution_from DECIMAL(38,4);
ALTER TABLE rated.tier_change ADD COLUMN contribution_to DECIMAL(38,4);
ALTER TABLE rated.tier_change ADD COLUMN quantity_effect_12m DECIMAL(38,4);
ALTER TABLE rated.tier_change ADD COLUMN price_effect_12m DECIMAL(38,4);
