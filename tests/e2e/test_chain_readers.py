"""Clients that read the chain all the time: bounded, and in nobody's way."""

from __future__ import annotations

import threading
from pathlib import Path

from cluster import Cluster, Node
from plain_client import CHAIN, OK, OVERLOADED, Connection, Reply
from waiting import scaled, wait_until

VALUE = bytes(500_000)


class ChainReader(threading.Thread):
    """Keeps `window` requests for large parts of the chain at one node unanswered."""

    def __init__(self, node: Node, window: int) -> None:
        super().__init__(daemon=True)
        self.answered = 0
        self.refused: set[str] = set()
        self.failure: BaseException | None = None
        self._stopping = threading.Event()
        self._endpoint = node.endpoint
        self._window = window

    def run(self) -> None:
        connection = Connection(self._endpoint)
        try:
            for _ in range(self._window):
                self._ask(connection)
            while not self._stopping.is_set():
                for reply in connection.receive(0.1):
                    self._take(reply)
                    self._ask(connection)
        except BaseException as failure:
            self.failure = failure
        finally:
            connection.close()

    def _ask(self, connection: Connection) -> None:
        connection.post([CHAIN, connection.new_id(), 10_000, 1, 4 << 20])

    def _take(self, reply: Reply) -> None:
        assert reply.code in (OK, OVERLOADED), reply
        if reply.code == OK:
            self.answered += 1
        else:
            self.refused.add(reply.message)

    def stop(self) -> None:
        self._stopping.set()
        self.join(scaled(30))
        assert not self.is_alive()
        assert self.failure is None, self.failure


def test_a_lagging_node_catches_up_while_clients_read_the_chain(
    cluster: Cluster, tmp_path: Path
) -> None:
    late = cluster.node(3)
    others = cluster.others(late)
    late.kill()
    client = cluster.client(others[0])
    for number in range(40):
        assert client.put(str(number).encode(), b"v").ok
    for node in others:  # whose disks take their time, so that requests wait for them
        slow = ["-e", "trace=pread64", "-e", "inject=pread64:delay_enter=20000"]
        node.stop()
        log = str(tmp_path / f"strace-{node.id}.log")
        node.start(wrapper=["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", log, *slow])
    cluster.wait_serving(others)
    readers = [ChainReader(node, window=300) for node in others]
    for reader in readers:
        reader.start()
    wait_until("both read", lambda: all(reader.answered > 5 for reader in readers))
    late.start()
    head = max(node.status()["height"] for node in others)
    late.wait_status("catches up", lambda status: status["height"] >= head)
    for reader in readers:
        reader.stop()


def test_requests_for_blocks_past_their_bound_are_told_so(cluster: Cluster) -> None:
    node = cluster.node(1)
    client = cluster.client()
    for number in range(20):
        assert client.put(f"large/{number}".encode(), VALUE).ok
    readers = [ChainReader(node, window=400) for _ in range(4)]
    for reader in readers:
        reader.start()
    wait_until("some are refused", lambda: all(reader.refused for reader in readers[3:]))
    assert client.put(b"k", b"v").ok
    for reader in readers:
        reader.stop()
        for message in reader.refused:
            assert (
                "1024 unanswered requests for parts of the chain" in message
                or "replies to this connection wait to be read" in message
            )
