"""One rating period: from facts to tiers, explanations and revisions."""
