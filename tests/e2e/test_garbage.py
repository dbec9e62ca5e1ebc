"""Garbage on every port: counted, told at most once a second, and otherwise without effect."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
import zmq

from cluster import Cluster, Node
from load import Load, check_kept
from plain_client import (
    BAD_REQUEST,
    EXECUTE,
    GET,
    LINEARIZABLE,
    LOCAL,
    OK,
    OVERLOADED,
    SCAN,
    Connection,
    Reply,
    pack,
    unpack,
)
from waiting import scaled, wait_until

SEED = int(os.environ.get("PAXLEDGER_TEST_SEED", "20240229"))


@contextlib.contextmanager
def dealer(port: int, unread_max: int = 1000) -> Iterator[zmq.Socket[bytes]]:
    sender: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    sender.setsockopt(zmq.LINGER, int(scaled(2000)))
    sender.setsockopt(zmq.SNDHWM, 0)
    sender.setsockopt(zmq.RCVHWM, unread_max)
    sender.connect(f"tcp://127.0.0.1:{port}")
    try:
        yield sender
    finally:
        sender.close()


# What a DEALER says first over plain TCP (ZMTP 3.0, no keys).
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


def raw_bytes(port: int, rng: random.Random) -> None:
    """Random octets over plain TCP, some of them after a correct ZMTP handshake."""
    openings = [b"", b"GET / HTTP/1.1\r\n\r\n", GREETING, GREETING + READY, b"\xff" * 64]
    huge = b"\x02" + struct.pack(">Q", 1 << 62)  # a ZMTP frame that declares 4 EiB
    for opening in [*openings, GREETING + READY + huge]:
        for size in (0, 1, 100, 70_000):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=2) as connection,
            ):
                connection.sendall(opening + rng.randbytes(size))
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.05)
                with contextlib.suppress(OSError):
                    connection.recv(4096)


def packets(rng: random.Random) -> Iterator[tuple[bytes, ...]]:
    """ZeroMQ messages that no client or peer would send, each as its frames."""
    good = pack([[GET, 7, 1000, LINEARIZABLE, b"k"]])
    for size in (0, 1, 2, 10, 100, 1000, 100_000):
        for _ in range(5):
            yield (rng.randbytes(size),)
    for cut in range(0, len(good)):
        yield (good[:cut],)
        yield (good[:cut] + bytes([rng.randrange(256)]) + good[cut + 1 :],)
    yield (good + b"\x00",)
    yield (b"\xdd\xff\xff\xff\xff",)  # an array of four milliards
    yield (b"\xdf\xff\xff\xff\xff",)  # a map of as many
    yield (b"\xc6\xff\xff\xff\xff",)  # a binary of 4 GiB
    yield (b"\x93\x01\x00\xdd\xff\xff\xff\xff",)  # requests without end
    yield (b"\x91" * 100_000,)  # arrays in arrays
    yield (msgpack.packb([1, 0, [[EXECUTE, 1, 1000, rng.randbytes(100)]]]),)
    yield (msgpack.packb([1, 0, [[GET, 2**64 - 1, 2**32 - 1, 99, b"k"]] * 1000]),)
    yield (msgpack.packb([1, 0, [[77, 1, 1]]]),)
    yield (msgpack.packb([1, 0, {"a": 1}]),)
    yield (msgpack.packb([1, 0, [["x", None, -1, 3.5]]]),)
    yield (msgpack.packb([9, 0, [[GET, 1, 1000, 0, b"k"]]]),)  # another version
    yield (msgpack.packb([1, 12345, [[GET, 1, 1000, 0, b"k"]]]),)  # another cluster
    for kind in range(0, 20):  # peers' messages, of this version and another
        for version in (1, 2):
            yield (msgpack.packb([version, 12345, 1, 2, 3, [[kind, 1, 1, b"x"]]]),)
            yield (msgpack.packb([version, 0, 9, 9, 9, [[kind] + [rng.getrandbits(63)] * 5]]),)
    yield (good, good)
    yield (b"", good)
    yield tuple([b""] * 5000)  # thousands of frames
    yield tuple([b"x"] * 3)


def garbage_over_zmq(port: int, rng: random.Random) -> None:
    with dealer(port) as sender:
        for frames in packets(rng):
            sender.send_multipart(frames)


def refused(node: Node) -> float:
    return node.metric("malformed_messages_total")


@pytest.mark.parametrize("door", ["client", "peer"])
def test_garbage_on_a_zeromq_port_is_counted_and_changes_nothing(
    cluster: Cluster, door: str
) -> None:
    rng = random.Random(SEED)
    node = cluster.leader()
    port = node.client_port if door == "client" else node.peer_port
    before = refused(node)
    lines_before = len(node.log_text().splitlines())
    start = time.monotonic()
    with Load(cluster, writers=2, window=8) as load:
        load.wait_progress(50)
        for _ in range(3):
            raw_bytes(port, rng)
            garbage_over_zmq(port, rng)
        wait_until("it is counted", lambda: refused(node) >= before + 300)
        load.wait_progress(100)
        assert cluster.leader() is node, "not even the leader changes"
    seconds = time.monotonic() - start
    lines = node.log_text().splitlines()[lines_before:]
    told = [line for line in lines if re.search(r"refused|dropped|malformed", line)]
    assert told, "it says so"
    assert len(told) <= 2 * (seconds + 2), f"{len(told)} lines in {seconds:.1f} s"
    check_kept(cluster, load.promise)


def test_a_bad_request_is_answered_and_does_not_spoil_its_neighbours(cluster: Cluster) -> None:
    assert cluster.client().put(b"k", b"v").ok
    connection = Connection(cluster.node(1).endpoint)
    bad: list[list[object]] = [[77, 1, 100], [GET, 2, 1000, 0], [GET, 3, 1000, 9, b"k"]]
    good = [[GET, 10 + number, 1000, LINEARIZABLE, b"k"] for number in range(3)]
    connection.post(*(request for pair in zip(bad, good, strict=True) for request in pair))
    codes = {}
    for request in (1, 2, 3, 10, 11, 12):
        reply = connection.wait(request, scaled(5))
        assert reply is not None, f"request {request} has an answer"
        codes[request] = reply.code
    assert codes == {1: BAD_REQUEST, 2: BAD_REQUEST, 3: BAD_REQUEST, 10: OK, 11: OK, 12: OK}
    connection.close()


@pytest.mark.parametrize(
    ("packet", "word"),
    [
        (msgpack.packb([2, 0, [[GET, 5, 1000, 0, b"k"]]]), "version"),
        (msgpack.packb([1, 4711, [[GET, 5, 1000, 0, b"k"]]]), "cluster"),
    ],
    ids=["version", "cluster"],
)
def test_another_version_or_cluster_is_told_so(cluster: Cluster, packet: bytes, word: str) -> None:
    node = cluster.node(1)
    connection = Connection(node.endpoint)
    connection.post_octets(packet)
    assert connection.socket.poll(int(scaled(3000))), "there is an answer"
    (reply,) = unpack(connection.socket.recv())
    assert reply.code == BAD_REQUEST
    assert word in reply.message
    wait_until("it is counted", lambda: node.metric("malformed_messages_total") >= 1)
    connection.close()


def resident_bytes(node: Node) -> int:
    pages = int(Path(f"/proc/{node.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("door", ["client", "peer"])
def test_a_message_that_never_ends_is_never_taken_in_and_goes_with_its_connection(
    cluster: Cluster, door: str
) -> None:
    """libzmq collects frames without a bound (docs/reference/peer-protocol.md), but frees them."""
    node = cluster.leader()
    port = node.client_port if door == "client" else node.peer_port
    # A frame of one octet with more to come: three octets, and 64 of memory in libzmq.
    frames = b"\x01\x01x" * 700_000
    before = resident_bytes(node)
    most = 0
    for _ in range(16):
        with socket.create_connection(("127.0.0.1", port), timeout=scaled(30)) as connection:
            connection.sendall(GREETING + READY)
            said = b""
            while b"ROUTER" not in said:  # it has said its part of the handshake
                said += connection.recv(4096)
            connection.sendall(frames)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b"", "everything was read, and nothing answered"
        most = max(most, resident_bytes(node) - before)
        assert cluster.client(node).put(b"k", b"v").ok
    assert most < 400 << 20, f"16 times 43 MiB were collected, and {most >> 20} MiB are kept"
    assert cluster.leader() is node


SCANS_A_PACKET = 1024


def ask_for_much(sender: zmq.Socket[bytes], packets: int, consistency: int) -> None:
    """Thirty octets each, and each asks for a hundred times a thousand."""
    for packet in range(packets):
        first = packet * SCANS_A_PACKET
        scans = range(first, first + SCANS_A_PACKET)
        sender.send(pack([[SCAN, n, 4000, consistency, b"much/", b"", 4096] for n in scans]))


@pytest.mark.parametrize("consistency", [LOCAL, LINEARIZABLE], ids=["local", "linearizable"])
def test_who_asks_for_gigabytes_and_never_reads_costs_others_nothing(
    cluster: Cluster, consistency: int
) -> None:
    node = cluster.leader()
    client = cluster.client(node)
    for number in range(200):
        assert client.put(b"much/%d" % number, bytes(4000)).ok
    ballot = node.status()["ballot"]
    before = resident_bytes(node)
    most, slowest = before, 0.0
    with dealer(node.client_port, unread_max=1) as silent:
        silent.setsockopt(zmq.LINGER, 0)
        ask_for_much(silent, 6, consistency)
        for _ in range(40):
            asked = time.monotonic()
            assert client.get(b"much/7").ok
            slowest = max(slowest, time.monotonic() - asked)
            most = max(most, resident_bytes(node))
            time.sleep(0.05)
    assert most - before < 200 << 20, f"{(most - before) >> 20} MiB for a client that never reads"
    assert slowest < scaled(1), f"another client's get took {slowest:.1f} s"
    assert (cluster.leader(), node.status()["ballot"]) == (node, ballot), "it still leads"
    wait_until("it is refused", lambda: node.metric("replies_total", outcome="overloaded") > 0)


def test_who_asks_for_gigabytes_and_reads_gets_an_answer_to_each(cluster: Cluster) -> None:
    node = cluster.leader()
    client = cluster.client(node)
    for number in range(200):
        assert client.put(b"much/%d" % number, bytes(350)).ok
    # A node goes on until 8 MiB wait to be read, which are 108 of these answers. Several times, for
    # whether the client has read enough may change between two looks of the node.
    for _ in range(6):
        with dealer(node.client_port) as reader:
            ask_for_much(reader, 1, LOCAL)
            answered: dict[int, Reply] = {}
            while len(answered) < SCANS_A_PACKET:
                assert reader.poll(int(scaled(10_000))), f"{len(answered)} answers, and no more"
                answered.update({reply.id: reply for reply in unpack(reader.recv())})
        complete = sum(len(reply.items) == 200 for reply in answered.values())
        refused = sum(reply.code == OVERLOADED for reply in answered.values())
        assert complete + refused == SCANS_A_PACKET
        assert complete >= 100, "it was refused only while it did not keep up"


def http_garbage(port: int, rng: random.Random) -> None:
    attempts: list[bytes] = [
        rng.randbytes(5000),
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /status HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 10_000,
        b"GET /status HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
        b"DELETE / HTTP/9.9\r\n\r\n",
        b"\r\n" * 1000,
    ]
    for octets in attempts:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection,
        ):
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)


def test_garbage_on_the_http_port_changes_nothing(cluster: Cluster) -> None:
    node = cluster.leader()
    rng = random.Random(SEED)
    idle = [socket.create_connection(("127.0.0.1", node.http_port)) for _ in range(4)]
    http_garbage(node.http_port, rng)
    for connection in idle:
        connection.close()
    answers: Callable[[], bool] = lambda: node.http("/livez") == (200, "ok\n")  # noqa: E731
    wait_until("HTTP still answers", answers)
    assert cluster.client(node).put(b"k", b"v").ok
