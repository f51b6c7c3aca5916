"""The seven measures, one file each; grain everywhere: company × customer at the end of one closed month."""
