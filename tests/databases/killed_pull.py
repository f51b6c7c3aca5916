"""A pull that is killed as it begins a step: `python killed_pull.py SOURCE COMPANY STEP`; settings from the environment."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime

from flows import settings
from flows.console.progress import listening
from flows.extract.batch import pull_batch


def main() -> None:
    """Pull, and die at the step of that number."""
    source, company, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
    steps = 0

    def die_at_last(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps > last:
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(die_at_last):
        pull_batch(settings.load(), source, company, taken_at=datetime.now(UTC))


if __name__ == "__main__":
    main()
