"""Files that DuckDB does not read as they lie there: workbooks, HTML tables, printed lists; each as rows of cells."""
