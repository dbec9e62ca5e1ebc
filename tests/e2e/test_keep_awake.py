"""Nodes that keep the processors of the machine awake while they work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster import Cluster
from cluster_fixtures import MakeCluster
from waiting import wait_until

DEVICE = Path("/dev/cpu_dma_latency")
NO_REQUEST = 2_000_000_000  # what the kernel says then, in microseconds


def smallest_request() -> int | None:
    """How long the kernel may take to wake a processor, in microseconds; None if none may ask."""
    try:
        device = os.open(DEVICE, os.O_RDWR)
    except OSError:
        return None
    try:
        return int.from_bytes(os.pread(device, 4, 0), "little")
    finally:
        os.close(device)


def wait_awake(cluster: Cluster) -> None:
    client = cluster.client()
    wait_until(
        "a put keeps processors awake",
        lambda: client.put(b"k", b"v").ok and smallest_request() == 0,
    )


def wait_asleep() -> None:
    wait_until("processors may sleep", lambda: smallest_request() == NO_REQUEST)


# One test, for there is one device: what one cluster requests, a test beside it would see.
def test_processors_stay_awake_while_nodes_work_and_no_longer(make_cluster: MakeCluster) -> None:
    before = smallest_request()
    if before not in (None, NO_REQUEST):
        pytest.skip(f"somebody else requests a latency of {before} µs")
    untold = make_cluster().start()
    assert untold.client().put(b"k", b"v").ok
    assert smallest_request() == before
    untold.stop()

    awake = make_cluster(settings="timing: {keep_awake: 1s}\n").start()
    assert awake.client().put(b"k", b"v").ok
    warned = "keep_awake does nothing here: " in awake.node(1).log_text()
    assert all(("keep_awake" in node.log_text()) == warned for node in awake.nodes)
    if before is None:
        assert f"cannot open {DEVICE}" in awake.node(1).log_text()
    if warned:
        assert smallest_request() == before
        return
    wait_awake(awake)
    wait_asleep()  # heartbeats go on, and are no work
    wait_awake(awake)
    awake.kill()
    wait_asleep()
