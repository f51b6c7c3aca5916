"""Staging and judging batches, one after the other in this process or ahead of their turn in others."""
