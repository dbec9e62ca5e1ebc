"""Nodes that keep the processors of the machine awake while they work."""

from __future__ import annotations

import os
from pathlib import Path

from cluster import Cluster
from cluster_fixtures import MakeCluster
from waiting import wait_until

DEVICE = Path("/dev/cpu_dma_latency")


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


def wait_until_put_finds(cluster: Cluster, request: int | None) -> None:
    client = cluster.client()
    wait_until(
        f"a put leaves the request at {request}",
        lambda: client.put(b"k", b"v").ok and smallest_request() == request,
    )


def wait_for_request(request: int | None) -> None:
    wait_until(f"the smallest request is {request}", lambda: smallest_request() == request)


# One test, for there is one device: what one cluster requests, a test beside it would see.
def test_processors_stay_awake_while_nodes_work_and_no_longer(make_cluster: MakeCluster) -> None:
    before = smallest_request()
    untold = make_cluster().start()
    wait_until_put_finds(untold, before)
    untold.stop()

    awake = make_cluster(settings="timing: {keep_awake: 1s}\n").start()
    assert awake.client().put(b"k", b"v").ok
    warned = "keep_awake does nothing here: " in awake.node(1).log_text()
    assert all(("keep_awake" in node.log_text()) == warned for node in awake.nodes)
    if before is None:
        assert f"cannot open {DEVICE}" in awake.node(1).log_text()
    during = before if warned else 0
    wait_until_put_finds(awake, during)
    wait_for_request(before)  # heartbeats go on, and are no work
    wait_until_put_finds(awake, during)
    awake.kill()
    wait_for_request(before)
