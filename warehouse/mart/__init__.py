"""The published mart: built beside, swapped in by rename, masked for others, read by commands and the report."""
