"""From segments to tiers with memory: gates, caps, margins, expected moves."""
