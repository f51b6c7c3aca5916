"""Apache Kafka's stand-in: librdkafka's own mock broker, in a process of its own. Prints its port; ends with its input."""

from __future__ import annotations

import sys

from confluent_kafka import Producer


def main() -> None:
    """Keep the broker until standard input is closed."""
    broker = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    (metadata,) = broker.list_topics(timeout=30).brokers.values()
    print(metadata.port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
