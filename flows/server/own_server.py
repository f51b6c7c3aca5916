"""A Prefect server for one run, as a program of its own, with the number of a listening socket as its argument.

It serves the socket that it inherits under that number, and ends when its standard input does. That is a pipe from the
run, so the server ends with the run however the run ends, kill -9 included.
"""

from __future__ import annotations

import gc
import os
import sys
import threading


def main() -> None:
    """Serve until the run is over."""
    threading.Thread(target=_end_with_the_run, name="end with the run", daemon=True).start()
    # What is imported stays: looking through it for garbage, again and again, takes a fifth of the start.
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    uvicorn.run(create_app, factory=True, fd=int(sys.argv[1]), lifespan="on", log_level="error")


def _end_with_the_run() -> None:
    """Leave at once: the books are SQLite's, and bear it, and nobody is left to wait for an answer."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be held when the interpreter ends
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
