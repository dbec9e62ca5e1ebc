"""Real nodes for the tests of the laboratory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from paxledger.cluster import Cluster


@pytest.fixture(scope="session")
def _three() -> Iterator[Cluster]:
    with Cluster.local(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def lab_cluster(_three: Cluster) -> Iterator[Cluster]:
    """Three nodes that serve; whatever a test breaks is mended after it."""
    _three.heal()
    yield _three
    _three.heal()
