"""Publishing under kill -9: whatever it is struck at, readers keep a whole state and the next run makes up for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Forks a child for every second point at which publishing touches the disk, strikes it there, and lets another child look at
# what is out and publish again. DuckDB is opened in the children only, since its threads do not survive a fork.
# Of the tables the first ten are published: the others are written alike, and would only repeat each strike.
DRIVER = '''
import json, os, signal, sys, traceback
from itertools import count
from pathlib import Path

import duckdb
import pandas  # DuckDB imports it when it is first asked, which each child would do anew: two thirds of its time

from expectations.contract import contracts
from tests.warehouse.publishing import RECORDED_AT, STATES_SEEN, bring_to, open_warehouse
from warehouse.connection import connect
from warehouse.mart import publish as publishing
from warehouse.mart.publish import publish, published_generation

home = Path(sys.argv[1])
TOUCHING_THE_DISK = ("fsync", "replace", "rename", "unlink", "symlink", "chmod", "rmdir")
EVERY_NTH_STATEMENT = 3
publishing.PUBLISHED_TABLES = publishing.PUBLISHED_TABLES[:10]
all_contracts = contracts()


def in_child(work):
    """The wait status of a forked child that does the work."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Struck:
    """Counts what the publisher does, and dies before the n-th deed."""

    def __init__(self, connection, strike_at):
        self.connection, self.strike_at, self.deeds, self.statements = connection, strike_at, 0, 0
        for name in TOUCHING_THE_DISK:
            setattr(os, name, self.counting(getattr(os, name)))
        os.fsync = self.counting(lambda descriptor: None)  # a kill loses nothing that a power cut would

    def deed(self):
        self.deeds += 1
        if self.deeds == self.strike_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counting(self, function):
        def counted(*args, **kwargs):
            self.deed()
            return function(*args, **kwargs)
        return counted

    def execute(self, *args):
        self.statements += 1
        if self.statements % EVERY_NTH_STATEMENT == 0:
            self.deed()
        return self.connection.execute(*args)

    def __getattr__(self, name):
        return getattr(self.connection, name)


def struck_publish(state, strike_at):
    connection = connect(home / "warehouse.duckdb")
    bring_to(connection, state)
    publish(Struck(connection, strike_at), home, all_contracts, state, RECORDED_AT)
    connection.close()


def states_out():
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home / 'mart.duckdb'}' AS mart (READ_ONLY)")
        return connection.execute(STATES_SEEN.format(mart="mart")).fetchall()[0][0]


def look_and_make_up(old, new):
    (seen,) = states_out()
    assert seen in (old, new), seen
    folder = home / "mart" / "current"
    (in_parquet,) = duckdb.sql(f"SELECT DISTINCT open_balance::BIGINT FROM '{folder}/credit_watch.parquet'").fetchall()[0]
    assert in_parquet in (old, new), in_parquet
    with connect(home / "warehouse.duckdb", read_only=True) as connection:
        publish(connection, home, all_contracts, new, RECORDED_AT)
    assert states_out() == [new]
    assert published_generation(home) == new
    left = [path.name for path in (*home.iterdir(), *(home / "mart").iterdir()) if "building" in path.name]
    assert not left, left


def first():
    connection = open_warehouse(home)
    bring_to(connection, 1)
    publish(connection, home, all_contracts, 1, RECORDED_AT)
    connection.close()


assert in_child(first) == 0
state = 1
for strike_at in count(1, 2):
    status = in_child(lambda: struck_publish(state + 1, strike_at))
    if status == 0:
        break
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
    assert in_child(lambda: look_and_make_up(state, state + 1)) == 0, f"after a strike at deed {strike_at}"
    state += 1
print(json.dumps({"deeds": strike_at - 1}))
'''


@pytest.mark.slow
def test_publishing_may_be_killed_anywhere_and_the_next_run_makes_up_for_it(tmp_path: Path):
    run = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path / "home")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1])["deeds"] > 25  # a slow machine shows bars before it
