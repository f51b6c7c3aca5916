"""The store of the relay, in SQLite: which sink has got which event."""
