"""Meaning: what a customer is worth. Pure functions on polars frames; no clock, path, environment or database."""
