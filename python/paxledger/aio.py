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
import functools
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any

from paxledger._calls import BATCH_WINDOW, Call, Calls, ChainWalk, Key, T
from paxledger._connection import Connection
from paxledger._door import Doors
from paxledger.chain import Block
from paxledger.codecs import Codec, find_codec
from paxledger.entry import Entry
from paxledger.errors import ClosedError

__all__ = ["Batch", "Client", "Pipelined", "connect"]


class Pipelined:
    """The calls of a client, each of them as an `asyncio.Future`: what `Client` and `Batch` share.

    Example:
        >>> isinstance(adb, paxledger.aio.Pipelined)
        True
    """

    def __init__(self, doors: Doors, calls: Calls) -> None:
        self._doors = doors
        self._calls = calls

    def _begin(self, call: Call[T]) -> asyncio.Future[T]:
        return self._doors.find().begin(call)

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

    def admin(
        self, action: str, argument: Any = None, *, node: int, deadline: float | None = None
    ) -> asyncio.Future[Any]:
        """Sends a question or an order to one node. See `paxledger.Client.admin`.

        Example:
            >>> (await adb.admin("status", node=0))["role"] in ("leader", "follower")
            True
        """
        return self._begin(self._calls.admin(action, argument, node, deadline))


class Batch(Pipelined):
    """Calls that an `async with` block starts, and that have all ended when it is left.

    It is not atomic: each call stands for itself, others may see some of them, and after an error
    the others have their effects all the same. Any number of calls may be made; at most 1,024 are
    under way at once, and what is beyond that waits in memory for its turn, from which its deadline
    counts. When the block is left, the first error is raised. An exception of the block itself goes
    first. Where the block is cancelled, what has not had its turn is cancelled too.

    Example:
        >>> async with adb.batch() as batch:
        ...     for i in range(100):
        ...         _ = batch.put(f"n{i:02}", str(i))
        >>> len(await adb.keys("n"))
        100
    """

    def __init__(self, doors: Doors, calls: Calls) -> None:
        super().__init__(doors, calls)
        self._window = min(BATCH_WINDOW, calls.connection.outstanding_max)
        self._begun = 0  # calls, whether or not they had their turn
        self._under_way = 0
        self._waiting: deque[tuple[int, Call[Any], asyncio.Future[Any]]] = deque()
        self._first_error: tuple[int, BaseException] | None = None  # with the number of its call
        self._over = False
        self._idle: asyncio.Future[None] | None = None  # of who waits for the end

    def _check_open(self) -> None:
        if self._over:
            raise ClosedError("the batch has ended; make another one")

    def _begin(self, call: Call[T]) -> asyncio.Future[T]:
        self._check_open()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._under_way < self._window:
            self._start(self._begun, call, future)
        else:
            self._waiting.append((self._begun, call, future))
        self._begun += 1
        return future

    def _start(self, number: int, call: Call[T], future: asyncio.Future[T]) -> None:
        # What the caller holds is another future, for a call is under way also when nobody waits
        # for it any more.
        started = self._doors.find().begin(call)
        self._under_way += 1
        started.add_done_callback(functools.partial(self._ended, number, future))

    def _ended(
        self, number: int, future: asyncio.Future[Any], started: asyncio.Future[Any]
    ) -> None:
        self._under_way -= 1
        error = started.exception()
        if error is not None:
            self._failed(number, future, error)
        elif not future.done():
            future.set_result(started.result())
        while self._waiting and self._under_way < self._window:
            waiting = self._waiting.popleft()
            if waiting[2].done():
                continue  # it was cancelled before its turn
            try:
                self._start(*waiting)
            except Exception as failure:
                self._failed(waiting[0], waiting[2], failure)
        if self._idle is not None and not self._under_way and not self._idle.done():
            self._idle.set_result(None)

    def _failed(self, number: int, future: asyncio.Future[Any], error: BaseException) -> None:
        if self._first_error is None or number < self._first_error[0]:
            self._first_error = (number, error)
        if not future.done():
            future.set_exception(error)
            future.exception()  # the batch raises it, so nobody has to complain of it

    def _give_up(self) -> None:
        while self._waiting:
            self._waiting.popleft()[2].cancel()

    async def __aenter__(self) -> Batch:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        if failure is not None and not isinstance(failure, Exception):
            self._give_up()
            return
        try:
            if self._under_way:
                self._idle = asyncio.get_running_loop().create_future()
                await self._idle
        except BaseException:
            self._give_up()
            raise
        if failure is None and self._first_error is not None:
            raise self._first_error[1]


class Client(Pipelined):
    """A connection to a cluster for asyncio, or a view of one with another codec (`using`).

    Made by `connect` or `Cluster.aclient`; `paxledger.Client` says what the methods mean. Keys,
    consistency, nodes and codecs are the same. Close it with `await db.close()` or `async with`: an
    event loop keeps a client that it has used until that is closed, or the loop is.

    Example:
        >>> await adb.put("alice", "1") > 0
        True
        >>> await adb.get("alice")
        b'1'
    """

    def __init__(self, doors: Doors, codec: str | Codec = "bytes") -> None:
        super().__init__(doors, Calls(doors.connection, find_codec(codec)))

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

    # ---- many at once

    def batch(self) -> Batch:
        """Returns a `Batch`: it starts calls, and waits for all at its end. It is not atomic.

        Example:
            >>> async with adb.batch() as batch:
            ...     one, two = batch.put("a", "1"), batch.delete("b")
            >>> two.result()
            False
        """
        return Batch(self._doors, self._calls)

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
        await self._doors.close()

    async def __aenter__(self) -> Client:
        self._doors.connection.core.check()
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
    return Client(Doors(connection), codec)


def connect_nodes(
    nodes: Mapping[int, str], *, codec: str | Codec = "bytes", **options: Any
) -> Client:
    """Returns a client that knows nodes by their ids, which are the keys of `nodes`.

    Example:
        >>> async with connect_nodes({7: adb.endpoints[0]}) as other:
        ...     print((await other.admin("status", node=7))["node"])
        1
    """
    return Client(Doors(Connection(nodes, **options)), codec)
