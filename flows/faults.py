"""What a person can ask for that cannot be done."""

from __future__ import annotations


class UsageError(Exception):
    """What was asked for on the command line cannot be; the message says what to do instead."""
