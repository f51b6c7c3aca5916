"""Other policies on the same facts: replayed, compared, calibrated."""
