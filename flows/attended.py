"""Runs a Python module as a program that ends when its standard input does: `python attended.py MODULE ARGUMENT…`.

The standard input is a pipe from whoever started it, so the program, and every process of its group, ends with its
starter however that one ends, kill -9 included. It is to be started as the leader of a session of its own.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 10


def main() -> None:
    """Run the module until it ends or nobody attends it any more."""
    threading.Thread(target=_end_unattended, name="end unattended", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_unattended() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
