"""Cuts a lake's catalog off while a commit is being written: held up by a lock, its sessions on the server are ended."""

from __future__ import annotations

import re
import time
from threading import Thread

import pytest

from tests.databases.servers import Postgres
from warehouse.lake.lease import Lease

# The sessions of the lake's role, which the test's own are not of.
_ITS = "FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user"
_BEGINS_S = 60


class Cut:
    """Cuts one commit off: the one that comes after so many others, counted from when it is said."""

    def __init__(self, url: str, patch: pytest.MonkeyPatch) -> None:
        found = re.search(r"dbname=(\w+)", url)
        assert found
        self._database = found[1]
        self._left: int | None = None
        self._thread: Thread | None = None
        check = Lease.check

        def checked(lease: Lease) -> None:
            check(lease)
            if self._left == 0:
                self._hold_up()
            if self._left is not None:
                self._left -= 1

        patch.setattr(Lease, "check", checked)

    def after(self, commits: int) -> None:
        self._left = commits

    def happened(self) -> bool:
        """Whether a commit was being written when the catalog was cut off."""
        if self._thread is None:
            return False
        self._thread.join()
        self._thread = None
        return self._was_waiting

    def _hold_up(self) -> None:
        """Let what is about to be committed wait for a lock on the catalog's own table, and end all sessions while it does."""
        holder = Postgres(self._database)
        holder.execute("BEGIN", "LOCK TABLE ducklake_snapshot IN SHARE MODE")
        self._was_waiting = False
        self._thread = Thread(target=self._cut, args=[holder])
        self._thread.start()

    def _cut(self, holder: Postgres) -> None:
        server = holder.another()
        try:
            give_up = time.monotonic() + _BEGINS_S
            while not self._was_waiting and time.monotonic() < give_up:
                self._was_waiting = bool(server.rows(f"SELECT pid {_ITS} AND wait_event_type = 'Lock'"))
                time.sleep(0.05)
            server.rows(f"SELECT pg_terminate_backend(pid) {_ITS}")
        finally:
            holder.execute("ROLLBACK")
            holder.close()
            server.close()
