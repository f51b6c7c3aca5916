"""A company whose batches a Ray cluster stages, while the cluster or a part of it dies: the same warehouse, row by row."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.runner import ray_cluster
from flows.settings import Settings
from tests.runner.clusters import RAY_TOKEN, RayCluster, own_ray
from tests.runner.companies import loaded
from tests.runner.rows import held
from tests.runner.threads import after_orders, counted_verdicts

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:
    for name, value in RAY_TOKEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "5")
    with tempfile.TemporaryDirectory(prefix="ray") as folder, own_ray(Path(folder)) as cluster:
        yield cluster


def nobody(_: RayCluster) -> None: ...


def a_worker(cluster: RayCluster) -> None:
    cluster.kill_a_worker()


def all_of_it(cluster: RayCluster) -> None:
    cluster.kill()


@pytest.mark.parametrize("dies", [nobody, a_worker, all_of_it])
def test_a_company_staged_by_a_cluster_is_the_same_row_by_row_whoever_dies_there(
    inbox: Path,
    alone: Settings,
    cluster: RayCluster,
    dies: Callable[[RayCluster], None],
    gate: Gate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = counted_verdicts(monkeypatch)
    after_orders(5, lambda: dies(cluster), ray_cluster._Cluster, monkeypatch)
    told = signal.getsignal(signal.SIGTERM)
    settings = loaded(tmp_path / "home", inbox, gate, runner="ray", runner_address=cluster.address)
    assert held(settings) == held(alone)
    assert all(counted.values()) or dies is not nobody
    assert signal.getsignal(signal.SIGTERM) is told


def test_a_cluster_that_does_not_answer_holds_nobody_up(
    inbox: Path, alone: Settings, gate: Gate, tmp_path: Path
) -> None:
    settings = loaded(tmp_path / "home", inbox, gate, runner="ray", runner_address="ray://127.0.0.1:9")
    assert held(settings) == held(alone)
