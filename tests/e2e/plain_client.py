"""A client in plain Python: a ZeroMQ socket, msgpack and struct, and nothing of Paxledger.

Written after docs/reference/client-protocol.md. It is a test of that page, and of every promise
that the cluster gives to clients; it is therefore deliberately direct.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgpack
import zmq

VERSION = 1
ANY_CLUSTER = 0

# requests
EXECUTE, GET, SCAN, CHAIN, ADMIN = 1, 2, 3, 4, 5
LINEARIZABLE, LOCAL = 0, 1
# replies
VALUE_REPLY, SCAN_REPLY, CHAIN_REPLY = 1, 2, 3
# commands
OPEN_SESSION, CLOSE_SESSION, PUT, REMOVE, READ, COMPARE_AND_PUT = 1, 2, 3, 4, 5, 6

OK = 0
NOT_FOUND = 1
COMPARE_FAILED = 2
NO_QUORUM = 3
TIMEOUT = 4
OVERLOADED = 5
TOO_LARGE = 6
SESSION_EXPIRED = 7
UNAUTHORIZED = 8
BAD_REQUEST = 9
SHUTTING_DOWN = 10
REPAIRING = 11

# Another node, or the same one later, may do better.
TRY_AGAIN = {NO_QUORUM, TIMEOUT, OVERLOADED, SHUTTING_DOWN, REPAIRING}


class Item(NamedTuple):
    key: bytes
    value: bytes
    revision: int


@dataclasses.dataclass(frozen=True)
class Reply:
    """Any reply; what a kind of reply does not have is empty."""

    id: int
    node: int
    code: int = OK
    revision: int = 0
    height: int = 0
    value: bytes = b""
    message: str = ""
    more: bool = False
    items: tuple[Item, ...] = ()
    first: int = 0
    blocks: tuple[bytes, ...] = ()
    leader: int = 0

    @property
    def ok(self) -> bool:
        return self.code == OK


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as it is hashed and kept in the chain."""

    kind: int
    session: int
    sequence: int
    acknowledged: int = 0
    argument: int = 0
    key: bytes = b""
    value: bytes = b""

    def octets(self) -> bytes:
        head = struct.pack(
            "<BBHIQQQQ",
            *(1, self.kind, len(self.key) & 0xFFFF, len(self.value)),
            *(self.session, self.sequence, self.acknowledged, self.argument),
        )
        return head + self.key + self.value


def pack(requests: Sequence[Sequence[Any]], cluster: int = ANY_CLUSTER) -> bytes:
    packed: bytes = msgpack.packb([VERSION, cluster, list(requests)], use_bin_type=True)
    return packed


def unpack(octets: bytes) -> list[Reply]:
    version, _cluster, node, replies = msgpack.unpackb(octets, raw=False)
    assert version == VERSION
    return [_reply(node, *fields) for fields in replies]


def _reply(node: int, kind: int, request: int, *fields: Any) -> Reply:
    if kind == VALUE_REPLY:
        code, revision, height, value, message, leader = fields
        return Reply(request, node, code, revision, height, value, message, leader=leader)
    if kind == SCAN_REPLY:
        height, more, items = fields
        found = tuple(Item(*item) for item in items)
        return Reply(request, node, height=height, more=more, items=found)
    assert kind == CHAIN_REPLY, kind
    first, head, blocks = fields
    return Reply(request, node, first=first, height=head, blocks=tuple(blocks))


class Connection:
    """One socket to one node. Replies may come in any order."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 100_000)
        self.socket.setsockopt(zmq.RCVHWM, 100_000)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self.socket.connect(endpoint)
        self._next_id = 1
        self._kept: dict[int, Reply] = {}

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def post(self, *requests: Sequence[Any], cluster: int = ANY_CLUSTER) -> None:
        """Sends requests in one message."""
        self.post_octets(pack(requests, cluster))

    def post_octets(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames, zmq.DONTWAIT)

    def receive(self, timeout: float) -> list[Reply]:
        """The replies of the next message; none if none comes in time."""
        if not self.socket.poll(max(0, int(timeout * 1000))):
            return []
        return unpack(self.socket.recv())

    def wait(self, request: int, timeout: float) -> Reply | None:
        """The reply to one request; replies to others are kept until they are asked for."""
        deadline = time.monotonic() + timeout
        while request not in self._kept:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            for reply in self.receive(left):
                self._kept[reply.id] = reply
        return self._kept.pop(request)

    def ask(self, kind: int, *fields: Any, timeout: float = 5.0) -> Reply | None:
        request = self.new_id()
        self.post([kind, request, int(timeout * 1000), *fields])
        return self.wait(request, timeout)

    def close(self) -> None:
        self.socket.close(0)


class PlainClient:
    """Asks one node after the other until one answers for good or the deadline has passed.

    A write keeps its session and sequence through all attempts, so it happens at most once.
    """

    def __init__(self, endpoints: Sequence[str], deadline: float = 5.0, attempt: float = 1.0):
        self.deadline = deadline
        self.attempt = attempt  # how long one node is given
        self._endpoints = list(endpoints)
        self._connections: dict[str, Connection] = {}
        self._current = 0
        self.session = random.getrandbits(63) + 1
        self.sequence = 0
        self.is_open = False

    def connection(self) -> Connection:
        endpoint = self._endpoints[self._current]
        if endpoint not in self._connections:
            self._connections[endpoint] = Connection(endpoint)
        return self._connections[endpoint]

    def _next_node(self) -> None:
        self._current = (self._current + 1) % len(self._endpoints)

    def call(self, kind: int, *fields: Any, deadline: float | None = None) -> Reply:
        """The final reply; TIMEOUT, made up here, if no node gave one."""
        until = time.monotonic() + (self.deadline if deadline is None else deadline)
        unknown = False  # an attempt was left without a word on its outcome
        last = Reply(0, 0, TIMEOUT, message="no node answered in time")
        while (left := until - time.monotonic()) > 0.001:
            # A lone node is asked once; the budget tells it how long there is an interest.
            patience = left if len(self._endpoints) == 1 else min(left, self.attempt)
            reply = self.connection().ask(kind, *fields, timeout=patience)
            if reply is not None and reply.code not in TRY_AGAIN:
                return reply
            unknown = unknown or reply is None or reply.code == TIMEOUT
            last = reply or last
            if len(self._endpoints) == 1 and reply is not None:
                break
            self._next_node()
            if reply is not None:
                time.sleep(min(0.02, max(0.0, until - time.monotonic())))
        return dataclasses.replace(last, code=TIMEOUT) if unknown else last

    # --- writes

    def execute(self, command: Command, deadline: float | None = None) -> Reply:
        return self.call(EXECUTE, command.octets(), deadline=deadline)

    def open(self, milliseconds: int = 60_000, deadline: float | None = None) -> Reply:
        command = Command(OPEN_SESSION, self.session, 0, argument=milliseconds)
        reply = self.execute(command, deadline)
        self.is_open = reply.ok
        return reply

    def next_command(self, kind: int, key: bytes, value: bytes = b"", argument: int = 0) -> Command:
        # This client has one command under way at a time, so it has seen all results before.
        self.sequence += 1
        return Command(kind, self.session, self.sequence, self.sequence - 1, argument, key, value)

    def _write(
        self, kind: int, key: bytes, value: bytes, argument: int, deadline: float | None
    ) -> Reply:
        if not self.is_open:
            reply = self.open(deadline=deadline)
            if not reply.ok:
                return reply
        return self.execute(self.next_command(kind, key, value, argument), deadline)

    def put(self, key: bytes, value: bytes, deadline: float | None = None) -> Reply:
        return self._write(PUT, key, value, 0, deadline)

    def remove(self, key: bytes, deadline: float | None = None) -> Reply:
        return self._write(REMOVE, key, b"", 0, deadline)

    def compare_and_put(
        self, key: bytes, expected: int, value: bytes, deadline: float | None = None
    ) -> Reply:
        return self._write(COMPARE_AND_PUT, key, value, expected, deadline)

    def ledger_read(self, key: bytes, deadline: float | None = None) -> Reply:
        return self._write(READ, key, b"", 0, deadline)

    # --- reads, and questions to the node itself

    def get(
        self, key: bytes, consistency: int = LINEARIZABLE, deadline: float | None = None
    ) -> Reply:
        return self.call(GET, consistency, key, deadline=deadline)

    def scan(
        self, prefix: bytes = b"", consistency: int = LINEARIZABLE, page: int = 4096
    ) -> dict[bytes, Item]:
        found: dict[bytes, Item] = {}
        after = b""
        while True:
            reply = self.call(SCAN, consistency, prefix, after, page)
            assert reply.ok, reply
            for item in reply.items:
                assert item.key not in found, f"{item.key!r} came twice"
                found[item.key] = item
            if not reply.more:
                return found
            after = reply.items[-1].key

    def chain(self, first: int = 1, bytes_max: int = 1 << 20) -> Reply:
        return self.call(CHAIN, first, bytes_max)

    def blocks(self) -> Iterator[bytes]:
        height = 1
        while True:
            page = self.chain(height)
            assert page.ok, page
            yield from page.blocks
            height += len(page.blocks)
            if not page.blocks or height > page.height:
                return

    def admin(self, action: str, argument: str = "", deadline: float = 20.0) -> Reply:
        return self.call(ADMIN, action, argument, deadline=deadline)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


class Pipeline:
    """Keeps many commands of one session under way, through failures of any node.

    A command that nobody answers is sent again, octet for octet, to the next node; so is one that
    was refused without effect. Each command has one final result.
    """

    def __init__(self, endpoints: Sequence[str], attempt: float = 0.6) -> None:
        self.session = random.getrandbits(63) + 1
        self._attempt = attempt
        self._connections = [Connection(endpoint) for endpoint in endpoints]
        self._poller = zmq.Poller()
        for connection in self._connections:
            self._poller.register(connection.socket, zmq.POLLIN)
        self._current = random.randrange(len(self._connections))
        self._sequence = 0
        self._acknowledged = 0
        self._finished: set[int] = set()  # above _acknowledged
        self._under_way: dict[int, bytes] = {}
        self._send_again: dict[int, float] = {}  # sequence -> when
        self._last_word = time.monotonic()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def open(self, deadline: float = 20.0) -> None:
        with contextlib.closing(PlainClient([c.endpoint for c in self._connections])) as client:
            client.session = self.session
            reply = client.open(deadline=deadline)
        assert reply.ok, reply

    def submit(self, kind: int, key: bytes, value: bytes = b"", argument: int = 0) -> int:
        """Sends a command and gives its sequence."""
        self._sequence += 1
        command = Command(
            *(kind, self.session, self._sequence, self._acknowledged, argument, key, value)
        )
        self._under_way[self._sequence] = command.octets()
        if self.under_way == 1:
            self._last_word = time.monotonic()
        self._send(self._sequence)
        return self._sequence

    def _send(self, sequence: int) -> None:
        request = [EXECUTE, sequence, int(self._attempt * 1000), self._under_way[sequence]]
        with contextlib.suppress(zmq.Again):  # a full queue: it is sent again after the silence
            self._connections[self._current].post(request)

    def poll(self, timeout: float) -> list[tuple[int, Reply]]:
        """Final results that came in; waits at most `timeout` for the first."""
        results: list[tuple[int, Reply]] = []
        ready = dict(self._poller.poll(int(timeout * 1000)))
        for connection in self._connections:
            if connection.socket in ready:
                results += self._read(connection)
        now = time.monotonic()
        if self._under_way and now - self._last_word > self._attempt:
            self._current = (self._current + 1) % len(self._connections)
            self._last_word = now
            for sequence in self._under_way:
                self._send_again[sequence] = now
        for sequence in [s for s, when in self._send_again.items() if when <= now]:
            del self._send_again[sequence]
            self._send(sequence)
        return results

    def _read(self, connection: Connection) -> list[tuple[int, Reply]]:
        results = []
        while replies := connection.receive(0):
            for reply in replies:
                if reply.id not in self._under_way:
                    continue  # answered before, by another attempt
                if reply.code in TRY_AGAIN:
                    self._send_again.setdefault(reply.id, time.monotonic() + 0.05)
                    continue
                self._last_word = time.monotonic()
                self._finish(reply.id)
                results.append((reply.id, reply))
        return results

    def _finish(self, sequence: int) -> None:
        del self._under_way[sequence]
        self._send_again.pop(sequence, None)
        self._finished.add(sequence)
        while self._acknowledged + 1 in self._finished:
            self._acknowledged += 1
            self._finished.remove(self._acknowledged)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
