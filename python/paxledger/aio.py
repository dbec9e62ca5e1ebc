"""The client for asyncio.

    import paxledger

    async with paxledger.aio.connect("tcp://127.0.0.1:7101") as db:
        await db.put("alice", "1")
        await asyncio.gather(*(db.put(f"k{i}", "v") for i in range(256)))

Every method starts its call at once and returns an `asyncio.Future`; wrong arguments raise at once.
Cancelling what waits for one, as `asyncio.wait_for` does, ends the waiting and not the call: a
write's outcome is unknown then. Calls may overtake each other; await the one before you start the
other where the order matters.

One client may be used by several event loops, each in its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any

from paxledger import _core
from paxledger._calls import Call, Calls, ChainWalk, Key, Outcome, T
from paxledger._connection import Connection
from paxledger.chain import Block
from paxledger.codecs import Codec, find_codec
from paxledger.entry import Entry


class _Door:
    """Where the calls of one event loop come back: a queue whose descriptor the loop watches.

    Used on the loop's thread only, but for detach_soon().
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        self.loop = loop
        self.queue = _core.CompletionQueue()
        self._connection = connection
        self._pending: dict[int, tuple[asyncio.Future[Any], Call[Any]]] = {}
        self._ended: deque[tuple[int, Outcome]] = deque()  # taken from the queue
        loop.add_reader(self.queue.fileno(), self.drain)
        self._attached = True

    def begin(self, call: Call[T]) -> asyncio.Future[T]:
        """Starts a call."""
        future: asyncio.Future[T] = self.loop.create_future()
        token = call.start(*call.arguments, self.queue)
        self._pending[token] = (future, call)
        return future

    def drain(self) -> None:
        """Fulfils the futures of all calls that have ended."""
        self._ended.extend(self.queue.drain())
        try:
            while self._ended:
                token, outcome = self._ended.popleft()
                future, call = self._pending.pop(token)
                if not future.done():  # else it was cancelled, and nobody waits any more
                    _fulfil(future, call, outcome)
        finally:
            if self._ended:  # Ctrl-C came between
                self.loop.call_soon(self.drain)
        if not self._pending and self._connection.closed:
            self._detach()

    def detach_soon(self) -> None:
        """Called, by any thread, after the connection was closed."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self.drain)

    def _detach(self) -> None:
        if self._attached:
            self._attached = False
            self.loop.remove_reader(self.queue.fileno())


def _fulfil(future: asyncio.Future[Any], call: Call[Any], outcome: Outcome) -> None:
    try:
        value = call.finish(outcome, call.about)
    except Exception as failure:
        future.set_exception(failure)
    except BaseException as failure:
        future.set_exception(failure)
        raise
    else:
        future.set_result(value)


class _Doors:
    """The doors of a connection, one for each event loop that uses it. Any thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._doors: dict[asyncio.AbstractEventLoop, _Door] = {}

    def find(self) -> _Door:
        """Returns the door of the running event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.connection.core.check()  # in a fork that is the better thing to say
            raise
        door = self._doors.get(loop)
        if door is None:
            self.connection.core.check()
            for other in list(self._doors):
                if other.is_closed():
                    self._doors.pop(other, None)
            door = self._doors[loop] = _Door(loop, self.connection)
        return door

    def detach_soon(self) -> None:
        """Takes the descriptors away from the loops, after the connection was closed."""
        for door in list(self._doors.values()):
            door.detach_soon()
        self._doors.clear()


class Client:
    """A connection to a cluster for asyncio, or a view of one with another codec (`using`).

    Made by `connect` or `Cluster.aclient`; `paxledger.Client` says what the methods mean. Keys,
    consistency, nodes and codecs are the same. Close it with `await db.close()` or `async with`.

    Example:
        >>> await adb.put("alice", "1") > 0
        True
        >>> await adb.get("alice")
        b'1'
    """

    def __init__(self, doors: _Doors, codec: str | Codec = "bytes") -> None:
        self._doors = doors
        self._calls = Calls(doors.connection, find_codec(codec))

    def _begin(self, call: Call[T]) -> asyncio.Future[T]:
        return self._doors.find().begin(call)

    # ---- writes

    def put(
        self,
        key: Key,
        value: Any,
        *,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[int]:
        """Stores a value; gives the key's new revision. See `paxledger.Client.put`.

        Example:
            >>> await adb.put("k", {"a": 1}, codec="json") > 0
            True
        """
        return self._begin(self._calls.put(key, value, codec, deadline))

    def delete(self, key: Key, *, deadline: float | None = None) -> asyncio.Future[bool]:
        """Takes a key away; gives whether it was there. See `paxledger.Client.delete`.

        Example:
            >>> await adb.delete("k")
            False
        """
        return self._begin(self._calls.delete(key, deadline))

    def compare_and_put(
        self,
        key: Key,
        value: Any,
        revision: int,
        *,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[int]:
        """Stores a value if the key has this revision. See `paxledger.Client.compare_and_put`.

        Example:
            >>> await adb.compare_and_put("k", "v", 0) > 0
            True
        """
        return self._begin(self._calls.compare_and_put(key, value, revision, codec, deadline))

    # ---- reads

    def get(
        self,
        key: Key,
        default: Any = None,
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[Any]:
        """Gives the value of a key, or `default`. See `paxledger.Client.get`.

        Example:
            >>> await adb.get("never", "nothing", consistency="local", node=0)
            'nothing'
        """
        return self._begin(self._calls.get(key, default, consistency, node, codec, deadline))

    def entry(
        self,
        key: Key,
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[Entry]:
        """Gives a key's `Entry`, or NotFound. See `paxledger.Client.entry`.

        Example:
            >>> revision = await adb.put("k", "v")
            >>> (await adb.entry("k")).revision == revision
            True
        """
        return self._begin(self._calls.entry(key, consistency, node, codec, deadline))

    def contains(
        self,
        key: Key,
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[bool]:
        """Gives whether a key is there. See `paxledger.Client.contains`.

        Example:
            >>> await adb.contains("k")
            False
        """
        return self._begin(self._calls.contains(key, consistency, node, deadline))

    def scan(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[list[Entry]]:
        """Gives all entries whose keys begin with `prefix`. See `paxledger.Client.scan`.

        Example:
            >>> _ = await adb.put("a/1", "x")
            >>> [entry.key for entry in await adb.scan("a/")]
            ['a/1']
        """
        return self._begin(self._calls.scan(prefix, consistency, node, codec, deadline))

    def keys(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[list[Any]]:
        """Gives all keys that begin with `prefix`. See `paxledger.Client.keys`.

        Example:
            >>> _ = await adb.put("a/1", "x")
            >>> await adb.keys("a/")
            ['a/1']
        """
        return self._begin(self._calls.keys(prefix, consistency, node, deadline))

    def items(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> asyncio.Future[list[tuple[Any, Any]]]:
        """Gives all (key, value) with that prefix. See `paxledger.Client.items`.

        Example:
            >>> _ = await adb.put("a/1", "x")
            >>> await adb.items("a/")
            [('a/1', b'x')]
        """
        return self._begin(self._calls.items(prefix, consistency, node, codec, deadline))

    def chain(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        node: int | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[Block]:
        """Yields the blocks of the chain, verified. See `paxledger.Client.chain`.

        Example:
            >>> _ = await adb.put("k", "v")
            >>> [block.height async for block in adb.chain(1, 2)]
            [1, 2]
        """
        return self._walk(ChainWalk(self._calls, first, last, node, deadline))

    async def _walk(self, walk: ChainWalk) -> AsyncIterator[Block]:
        while (call := walk.next_call()) is not None:
            for block in walk.take(await self._begin(call)):
                yield block

    def admin(
        self, action: str, argument: Any = None, *, node: int, deadline: float | None = None
    ) -> asyncio.Future[Any]:
        """Sends a question or an order to one node. See `paxledger.Client.admin`.

        Example:
            >>> (await adb.admin("status", node=0))["role"] in ("leader", "follower")
            True
        """
        return self._begin(self._calls.admin(action, argument, node, deadline))

    # ---- the connection

    def using(self, codec: str | Codec) -> Client:
        """Returns a view of the same connection with another codec.

        Example:
            >>> phones = adb.using("json")
            >>> _ = await phones.put("5714580_netid", {"phone_number": "(730) 131-7993"})
            >>> await phones.get("5714580_netid")
            {'phone_number': '(730) 131-7993'}
        """
        return Client(self._doors, codec)

    @property
    def endpoints(self) -> list[str]:
        """Where the nodes are.

        Example:
            >>> adb.endpoints[0].startswith("tcp://")
            True
        """
        return list(self._doors.connection.endpoints)

    @property
    def closed(self) -> bool:
        """Whether the connection was closed, through whichever view.

        Example:
            >>> adb.closed
            False
        """
        return self._doors.connection.closed

    def counters(self) -> dict[str, int]:
        """Returns what the connection has counted since it was made.

        Example:
            >>> adb.counters()["malformed_replies"]
            0
        """
        return self._doors.connection.core.counters()

    async def close(self) -> None:
        """Ends the connection, and with it every view of it. See `paxledger.Client.close`.

        Example:
            >>> other = paxledger.aio.connect(adb.endpoints)
            >>> await other.close()
            >>> other.closed
            True
        """
        if self.closed:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._doors.connection.close)
        self._doors.detach_soon()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<paxledger.aio.Client of {', '.join(self.endpoints)}: {state}>"


def connect(
    endpoints: str | Iterable[str],
    *,
    cluster: str | None = None,
    codec: str | Codec = "bytes",
    deadline: float = 5.0,
    session_ttl: float = 120.0,
    attempt_timeout: float = 0.5,
    outstanding_max: int = 4096,
    connections: int = 1,
) -> Client:
    """Returns a client of a cluster; not to be awaited, but to be used with `async with`.

    Args:
        endpoints: As for `paxledger.connect`, as are all others.
        cluster: The cluster's name.
        codec: How values become bytes.
        deadline: Seconds after which a call ends that names no other deadline.
        session_ttl: Seconds until the cluster forgets a silent client's session.
        attempt_timeout: Seconds after which a silent node is passed over.
        outstanding_max: Calls under way at once; one more ends with Overloaded.
        connections: To each node.

    Raises:
        BadRequest: An endpoint or an option makes no sense.

    Example:
        >>> async with paxledger.aio.connect(adb.endpoints, codec="json") as other:
        ...     _ = await other.put("k", [1, 2, 3])
        ...     print(await other.get("k"))
        [1, 2, 3]
    """
    connection = Connection(
        endpoints,
        cluster=cluster,
        deadline=deadline,
        session_ttl=session_ttl,
        attempt_timeout=attempt_timeout,
        outstanding_max=outstanding_max,
        connections=connections,
    )
    return Client(_Doors(connection), codec)


def connect_nodes(
    nodes: Mapping[int, str], *, codec: str | Codec = "bytes", **options: Any
) -> Client:
    """Returns a client that knows nodes by their ids, which are the keys of `nodes`.

    Example:
        >>> async with connect_nodes({7: adb.endpoints[0]}) as other:
        ...     print((await other.admin("status", node=7))["node"])
        1
    """
    return Client(_Doors(Connection(nodes, **options)), codec)
