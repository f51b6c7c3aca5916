"""The warehouse as a DuckLake: Parquet files in a folder, and a catalog of them in SQLite or PostgreSQL."""
