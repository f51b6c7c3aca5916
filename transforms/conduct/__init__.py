"""Conduct findings: arrears, diversion, dumping, with their evidence."""
