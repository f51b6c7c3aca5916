"""Output to a person at a terminal: tables, JSON, progress."""
