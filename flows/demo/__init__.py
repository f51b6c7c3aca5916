"""A sample company to try everything on: the extracts of its ERP and its CRM, made from a seed, month by month."""
