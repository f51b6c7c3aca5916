"""Loads fuzzed deliveries one by one in this process and says how each ended: `python -m tests.fuzz.fuzzing [COUNT] [FIRST]`."""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.pipeline.load import warehouse_held_open
from tests import memory
from tests.fuzz.cells import cells_that_differ
from tests.fuzz.mutations import SOURCES, Case, make_case
from tests.warehouse.making import NOW, PROFILE, Loader
from warehouse.store.ledger import BatchOutcome

# What a file may take: seconds of this process, since the machine has others to serve, and memory of all of it at its peak.
MOST_SECONDS, MOST_BYTES = 10, 1024**3
# When a case is given up that does not even answer to the clock.
_HARD_STOP = 240


@dataclass(frozen=True)
class Ending:
    """How a case ended; `problem` is what must not be, None where all is well.

    It does not keep the case: the files of two thousand take more memory than loading any of them. `start_bytes` is what
    the process held before the file was loaded, `peak_bytes` the most that it held while it was.
    """

    seed: int
    what: str
    status: str
    rule: str
    seconds: float
    start_bytes: int
    peak_bytes: int
    problem: str | None

    def __str__(self) -> str:
        return f"seed {self.seed} ({self.what}): {self.status}, {self.problem}"


class HangError(Exception):
    """A case took too long."""


def _too_long(_: int, __: object) -> None:
    raise HangError(f"took more than {MOST_SECONDS} s")


def fuzz_loader(root: Path) -> Loader:
    """A home with one source an encoding."""
    loader = Loader(root)
    for name, encoding in SOURCES.items():
        loader.source(source=name, defaults={**PROFILE["defaults"], "encoding": encoding})
    return loader


def run(loader: Loader, cases: Iterable[Case], *, watch_memory: bool = True) -> Iterator[Ending]:
    """Load every case by itself; memory is worth watching in a process that does nothing else."""
    before = signal.signal(signal.SIGPROF, _too_long)
    try:
        with warehouse_held_open(loader.settings, NOW):
            for case in cases:
                yield _run(loader, case, watch_memory=watch_memory)
                shutil.rmtree(loader.settings.inbox, ignore_errors=True)
                shutil.rmtree(loader.settings.archive, ignore_errors=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _run(loader: Loader, case: Case, *, watch_memory: bool) -> Ending:
    folder = case.write(loader.settings.inbox)
    differs = cells_that_differ(folder / case.workbook) if case.workbook else None
    start = memory.forget_peak()
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    faulthandler.dump_traceback_later(_HARD_STOP, exit=True)
    status, rule, problem = "failed", "", None
    try:
        (outcome,) = loader.report().outcomes
        status, rule, problem = (
            outcome.status,
            outcome.faults[0].rule if outcome.faults else "",
            _wrong(outcome) or differs,
        )
    except Exception:  # noqa: BLE001 - that there is one is the finding
        problem = traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
    peak = memory.peak()
    if watch_memory and peak > MOST_BYTES and problem is None:
        problem = f"took {peak / 1024**2:.0f} MiB of memory"
    if status == "loaded" and any(table.quarantined for table in outcome.tables):
        status = "loaded, with rows in quarantine"
    return Ending(case.seed, case.what, status, rule, time.process_time() - began, start, peak, problem)


def _wrong(outcome: BatchOutcome) -> str | None:
    """What a batch's outcome must not be: unexplained, or with rows that nobody accounts for."""
    if outcome.status == "refused":
        for fault in outcome.faults:
            text = str(fault)
            if "\n" in text or len(fault.remedy) < 10 or "Traceback" in text or len(text) > 2000:
                return f"says what is wrong badly: {text!r}"
        if not outcome.faults:
            return "says nothing of what is wrong"
    for table in outcome.tables:
        told = table.accepted + table.quarantined + table.waiting + table.excluded + table.refused
        if told != table.rows_in:
            return f"{table.name}: {table.rows_in} rows came in, {told} are accounted for"
    return None


def table_of(endings: Iterable[Ending]) -> str:
    """How many cases of each kind ended how."""
    endings = list(endings)
    statuses = sorted({ending.status for ending in endings})
    counted = Counter((ending.what.split(":")[0], ending.status) for ending in endings)
    kinds = sorted({kind for kind, _ in counted})
    lines = ["".join([f"{'':12}", *(f"{status:>34}" for status in statuses)])]
    lines += [
        "".join([f"{kind:12}", *(f"{counted[kind, status]:>34,}" for status in statuses)]) for kind in kinds
    ]
    hungriest = max(endings, key=lambda ending: ending.peak_bytes - ending.start_bytes)
    mib = 1024**2
    lines.append(
        f"slowest {max(each.seconds for each in endings):.1f} s; peak of the process "
        f"{max(each.peak_bytes for each in endings) / mib:.0f} MiB, at most "
        f"{(hungriest.peak_bytes - hungriest.start_bytes) / mib:.0f} MiB of it for one file (seed {hungriest.seed})"
    )
    rules = Counter(ending.rule for ending in endings if ending.rule)
    lines.append("refused for " + ", ".join(f"{rule} {number}" for rule, number in rules.most_common()))
    return "\n".join(lines)


def main() -> int:
    """Fuzz and print the table; 1 where a case ended as none may."""
    count, first = (int(text) for text in [*sys.argv[1:], *["2000", "0"][len(sys.argv[1:]) :]])
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        endings = []
        for ending in run(fuzz_loader(Path(folder)), map(make_case, range(first, first + count))):
            endings.append(ending)
            if ending.problem:
                print(ending, flush=True)
    print(table_of(endings))
    bad = sum(ending.problem is not None for ending in endings)
    print(f"{len(endings):,} files, {bad} ended as none may, {time.monotonic() - began:.0f} s")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
