"""The DuckDB room: staging, merging, the ledger, the books and the published files. It knows no business rule."""
