"""The warehouse file itself: migrations, DDL, the ledger, backup."""
