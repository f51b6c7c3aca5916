"""From an error to the exit code that answers for it, by the class attribute that the rooms' own errors bear."""

from __future__ import annotations

ROOMS = frozenset({"flows", "transforms", "expectations", "warehouse"})


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that a person can mend; None for a fault of our own, or of a library."""
    for kind in type(error).__mro__:
        if "exit_code" in vars(kind) and kind.__module__.partition(".")[0] in ROOMS:
            code: int = vars(kind)["exit_code"]
            return code
    return None


def is_of_an_interrupt(error: BaseException | None) -> bool:
    """Ctrl-C in the middle of a query is an error of DuckDB's, and what fails on its way up hides it further.

    A library in another language has it in the words of its own error alone.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or KeyboardInterrupt.__name__ in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
