"""Facts, customer-months, rating history and outbox in the warehouse."""
