"""The credit watch: open items, lateness, action, warnings."""
