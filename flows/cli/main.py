"""The command line `valuemart`: runs one command and answers for how it ended.

A person's mistake is answered in one line that says what to do; exit codes: 0 done, 2 wrong usage, settings, source or
policy, 3 a batch was refused, 4 rows were quarantined under --strict, 130 and
143 interrupted by Ctrl-C and by SIGTERM, 1 anything else.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from cyclopts import CoercionError, CycloptsError

from flows.cli.commands import app
from flows.cli.exit_codes import exit_code, is_of_an_interrupt
from flows.console import output, progress
from flows.console.stopping import never_within_an_import
from flows.errors import SIGNALLED, USAGE

if TYPE_CHECKING:
    from types import FrameType


_WRITTEN: dict[object, str] = {date: "2026-10-31", datetime: "2026-10-31 or 2026-10-31T18:00:00+01:00"}


def main() -> None:
    """Run the command line and leave with its exit code."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, never_within_an_import(_interrupt))
    sys.exit(run(sys.argv[1:]))


def _interrupt(told_by: int, _: FrameType | None) -> None:
    """Stop the run, at the next step if it does not stop here; who asks twice does not want to wait for either."""
    if progress.stopped_by():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n" if sys.stderr.isatty() else b"")  # the cursor back
        os._exit(SIGNALLED + told_by)
    progress.stop(told_by)
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run one command; what a person did wrong becomes one line on standard error and an exit code."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # while a reader that is gone can still be answered
    except CycloptsError as error:
        _fail(_misused(error))
        return USAGE
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:  # the reader of our output, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if is_of_an_interrupt(error):
            return _interrupted()
        told = _to_tell(error)
        known = exit_code(told)
        if known is None:
            raise
        for line in str(told).splitlines():
            _fail(line)
        return known
    return code if isinstance(code, int) else 0


def _misused(error: CycloptsError) -> str:
    """What is wrong with an argument, how it is written where that can be said, and where to read on."""
    said, command = str(error).strip(), " ".join(("valuemart", *(error.command_chain or ())))
    written = _WRITTEN.get(error.target_type) if isinstance(error, CoercionError) else None
    return f"{said}{f' Write it as {written}.' if written else ''} Try `{command} --help`."


def _to_tell(error: Exception) -> Exception:
    """The error itself, or the sentence for a full disk, a damaged file or a missing right that lies behind it."""
    if exit_code(error) is not None:
        return error
    from warehouse.storage_errors import described

    return described(error) or error


def _interrupted() -> int:
    _fail("interrupted; what was committed stays, and the same command goes on from there")
    return SIGNALLED + (progress.stopped_by() or signal.SIGINT)


def _fail(message: str) -> None:
    output.echo_err(f"valuemart: error: {' '.join(message.split())}")
