"""Reading an ERP's database into a batch."""
