"""The stages of a refresh, in order: load, rate, publish."""
