"""Wiring: the only room that knows Prefect, files, clocks and the outside world."""
