"""No delivery, however broken, ends in anything but loaded, quarantined or refused with a reason; and every row is told of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.fuzzing import fuzz_loader, run, table_of
from tests.fuzz.mutations import make_case

SAMPLE = range(5000, 5120)


def test_a_sample_of_fuzzed_deliveries_ends_as_it_may(tmp_path: Path) -> None:
    endings = list(run(fuzz_loader(tmp_path), map(make_case, SAMPLE), watch_memory=False))
    assert [str(ending) for ending in endings if ending.problem] == []
    assert {ending.status for ending in endings} >= {"loaded", "loaded, with rows in quarantine", "refused"}
    assert "refused" in table_of(endings)


def test_a_seed_makes_the_same_case_each_time() -> None:
    for seed in range(12):
        first, again = make_case(seed), make_case(seed)
        assert (first.what, first.delivery, first.manifest) == (again.what, again.delivery, again.manifest)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_thousand_fuzzed_deliveries_end_as_they_may_in_ten_seconds_and_a_gigabyte_each() -> None:
    """In a process of its own, so that its memory is its own; the sample above watches no memory, since pytest's is in it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzzing", "2000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
