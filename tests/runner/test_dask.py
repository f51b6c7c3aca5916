"""A company whose batches a Dask cluster stages, while the cluster or a part of it dies: the same warehouse, row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.runner import dask_cluster
from flows.settings import Settings
from tests.runner.clusters import Cluster, own_cluster
from tests.runner.companies import loaded
from tests.runner.rows import held
from tests.runner.threads import after_orders, counted_verdicts

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    with own_cluster(tmp_path / "cluster") as cluster:
        yield cluster


def nobody(_: Cluster) -> None: ...


def a_worker(cluster: Cluster) -> None:
    cluster.workers[0].kill()


def all_workers(cluster: Cluster) -> None:
    for worker in cluster.workers:
        worker.kill()


def the_scheduler(cluster: Cluster) -> None:
    cluster.scheduler.kill()


@pytest.mark.parametrize("dies", [nobody, a_worker, all_workers, the_scheduler])
def test_a_company_staged_by_a_cluster_is_the_same_row_by_row_whoever_dies_there(
    inbox: Path,
    alone: Settings,
    cluster: Cluster,
    dies: Callable[[Cluster], None],
    gate: Gate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = counted_verdicts(monkeypatch)
    after_orders(3, lambda: dies(cluster), dask_cluster._Cluster, monkeypatch)
    settings = loaded(tmp_path / "home", inbox, gate, runner="dask", runner_address=cluster.address)
    assert held(settings) == held(alone)
    assert all(counted.values()) or dies is not nobody


def test_a_cluster_that_does_not_answer_holds_nobody_up(
    inbox: Path, alone: Settings, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "_ANSWERS_S", 1)
    settings = loaded(tmp_path / "home", inbox, gate, runner="dask", runner_address="tcp://127.0.0.1:9")
    assert held(settings) == held(alone)
