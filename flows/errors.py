"""What a person can mend, and the exit codes that tell such errors apart. A leaf: everything may import it.

The errors of the other rooms, which may not import this one, bear the same class attribute `exit_code`.
"""

from __future__ import annotations

from typing import ClassVar

OTHER, USAGE, REFUSED, ROW_FAULTS = 1, 2, 3, 4
SIGNALLED = 128
"""What a shell adds to the number of the signal by which a command ended: 130 by Ctrl-C, 143 by SIGTERM."""


class UserError(Exception):
    """An error that a person can mend; the message says how, and takes the place of a traceback."""

    exit_code: ClassVar[int] = USAGE


class UsageError(UserError):
    """What was asked for on the command line cannot be; the message says what to do instead."""


class ServerError(UserError):
    """A Prefect server did not start, or does not take what it is asked; the message says where to look."""

    exit_code = OTHER


class PullRunningError(UserError):
    """Another pull of the same source and company is at work; nothing was touched."""

    exit_code = OTHER
