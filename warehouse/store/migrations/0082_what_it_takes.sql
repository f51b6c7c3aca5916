-- What moves the effective tier, memory and margin included.
ALTER TABLE rated.explanation ADD COLUMN what_it_takes VARCHAR;
