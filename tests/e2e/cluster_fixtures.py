"""Fixtures with clusters of real processes, which never outlive their test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import COMMAND, DAEMON, Cluster

# Small files are made and synced quickly, and a test sees more than one of each.
SMALL_FILES = "limits: {log_segment: 4MiB, block_file: 1MiB}\n"

MakeCluster = Callable[..., Cluster]
CLUSTERS = pytest.StashKey[list[Cluster]]()
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the ends of the nodes' logs where a test failed."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        for cluster in item.stash.get(CLUSTERS, []):
            report.sections += [
                (f"{cluster.name}: {who}", text) for who, text in cluster.log_tails()
            ]
    return report


@pytest.fixture
def make_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeCluster]:
    """Makes clusters, not started yet. At the end nothing of them may have failed unnoticed."""
    for program in (DAEMON, COMMAND):
        assert program.exists(), f"there is no {program}; `scripts/build release all` makes it"
    made: list[Cluster] = []
    request.node.stash[CLUSTERS] = made

    def make(size: int = 3, *, settings: str = SMALL_FILES, **options: Any) -> Cluster:
        root = tmp_path / f"cluster-{len(made) + 1}"
        made.append(Cluster(root, size, settings=settings, **options))
        return made[-1]

    yield make
    failed = request.node.stash.get(FAILED, False)
    failures = []
    for cluster in made:
        try:
            cluster.close(check=not failed)
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "; ".join(failures)


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> Cluster:
    """Three nodes that serve."""
    return make_cluster().start()


@pytest.fixture
def five(make_cluster: MakeCluster) -> Cluster:
    """Five nodes that serve."""
    return make_cluster(5).start()
