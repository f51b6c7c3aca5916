"""From the outbox to the receivers: the relay and its sinks."""
