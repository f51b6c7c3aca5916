"""From measures to scores and segments."""
