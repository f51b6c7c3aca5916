"""Policies at the edge: calibrated, simulated, applied before a sale, explained."""
