"""The HTTP door of each node."""

from __future__ import annotations

import contextlib
import re
import socket
import time

from cluster import Cluster
from waiting import scaled


def test_each_path_answers_what_it_is_for(cluster: Cluster) -> None:
    assert cluster.client().put(b"k", b"v").ok
    cluster.wait_same_heads()
    for node in cluster.nodes:
        assert node.http("/livez") == (200, "ok\n")
        node.wait_ready()
        status = node.wait_status("is ready", lambda status: status["ready"])
        assert (status["node"], status["keys"]) == (node.id, 1)
        assert node.http("/nothing")[0] == 404
        assert node.http("/status%00x")[0] == 404, "a path is not cut off"


def test_metrics_are_prometheus_text_and_count(cluster: Cluster) -> None:
    node = cluster.leader()
    client = node.client()
    for number in range(10):
        assert client.put(b"k", str(number).encode()).ok
        assert client.get(b"k").ok
    code, body = node.http("/metrics")
    assert code == 200
    names = set()
    for line in body.splitlines():
        if line.startswith("# TYPE "):
            names.add(line.split()[2])
            assert line.split()[3] in ("counter", "gauge", "histogram")
        elif not line.startswith("#"):
            match = re.fullmatch(r"(paxledger_\w+)(\{[^}]*\})? (\S+)", line)
            assert match, line
            float(match[3])
            family = re.sub(r"_(bucket|sum|count)$", "", match[1])
            assert match[1] in names or family in names, f"{match[1]} has no TYPE"
    assert node.metric("commands_total") >= 11
    assert node.metric("reads_total", consistency="linearizable") >= 10
    assert node.metric("replies_total", outcome="ok") >= 21
    assert node.metric("role", role="leader") == 1
    assert node.metric("log_sync_seconds_count") >= 10
    assert node.metric("height") == node.status()["height"]


def test_readyz_says_503_and_why_without_a_majority(cluster: Cluster) -> None:
    alone = cluster.node(2)
    cluster.kill(cluster.others(alone))
    alone.wait_status("is not ready", lambda status: not status["ready"])
    code, text = alone.http("/readyz")
    assert (code, "quorum" in text or "leader" in text) == (503, True), text
    assert alone.http("/livez") == (200, "ok\n"), "it lives, all the same"
    for node in cluster.others(alone):
        node.start()
    cluster.wait_serving()
    alone.wait_ready()


def test_livez_answers_behind_hundreds_of_silent_and_of_slow_connections(cluster: Cluster) -> None:
    """They take places at the door, not its time; the cluster notices nothing."""
    node = cluster.leader()
    start = time.monotonic()
    with contextlib.ExitStack() as stack:

        def call(said: bytes) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", node.http_port), scaled(10))
            connection.sendall(said)
            return stack.enter_context(connection)

        idle = [call(b"") for _ in range(200)]
        slow = [call(b"GET /livez HTTP/1.1\r\nA: ") for _ in range(150)]
        asked = time.monotonic()
        assert node.http("/livez") == (200, "ok\n")
        assert time.monotonic() - asked < scaled(2)
        for connection in slow[:10]:
            with contextlib.suppress(OSError):  # closed for a newer one
                connection.sendall(b"b")
        for connection in [*idle, *slow]:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b"", "none is kept"
        assert time.monotonic() - start < scaled(15)
    assert cluster.client(node).put(b"k", b"v").ok
    assert cluster.leader() is node
