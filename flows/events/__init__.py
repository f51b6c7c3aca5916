"""The event types, and how a change becomes an event."""
