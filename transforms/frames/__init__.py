"""Frames: exact arithmetic, periods, schemas, plans."""
