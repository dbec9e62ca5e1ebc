"""The client for programs that block until the answer is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from paxledger._calls import Call, Calls, ChainWalk, Key, T
from paxledger._connection import Connection
from paxledger.chain import Block
from paxledger.codecs import Codec, find_codec
from paxledger.entry import Entry
from paxledger.pipeline import Batch, Pipelined


class Client:
    """A connection to a cluster, or a view of one with another codec (`using`).

    Made by `connect` or `Cluster.client`. Any number of threads may use it at once. Ctrl-C ends
    every wait; the call that was waited for goes on, so the outcome of a write is unknown then.

    A client belongs to the process that made it: in a fork, every use raises ForkedError.

    Like a dictionary: `db[key]`, `db[key] = value`, `del db[key]`, `key in db`. All of them ask
    the cluster, and NotFound is a KeyError. It has no length and is not iterable; `keys`, `items`
    and `scan` say what they cost.

    Keys are `str`, stored as UTF-8, or `bytes`. Where keys are listed, they have the type of the
    prefix that was asked for; bytes that are no UTF-8 become lone surrogates, as in os.fsdecode.

    Example:
        >>> db["alice"] = "1"
        >>> db["alice"], "bob" in db
        (b'1', False)
    """

    # Without this, `for key in db` would ask for the keys 0, 1, 2, …
    __iter__ = None

    def __init__(self, connection: Connection, codec: str | Codec = "bytes") -> None:
        self._connection = connection
        self._calls = Calls(connection, find_codec(codec))
        self._pipelined = Pipelined(self._calls)

    @staticmethod
    def _run(call: Call[T]) -> T:
        return call.finish(call.start(*call.arguments).result(), call.about)

    # ---- writes

    def put(
        self,
        key: Key,
        value: Any,
        *,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> int:
        """Stores a value.

        Args:
            key: 1 to 4,096 bytes.
            value: What the codec takes; at most 1,048,576 bytes when encoded.
            codec: Instead of the client's.
            deadline: Seconds after which the call ends; the client's if None.

        Returns:
            The key's new revision.

        Raises:
            Timeout: The outcome is unknown.
            Error: Any other one: nothing was changed.
            TypeError: The codec does not take the value, or the key is neither str nor bytes.

        Example:
            >>> db.put("5714580_netid", {"phone_number": "(730) 131-7993"}, codec="json") > 0
            True
        """
        return self._run(self._calls.put(key, value, codec, deadline))

    def delete(self, key: Key, *, deadline: float | None = None) -> bool:
        """Takes a key away.

        The arguments are those of `put`.

        Returns:
            Whether it was there.

        Raises:
            Timeout: The outcome is unknown.
            Error: Any other one: nothing was changed.

        Example:
            >>> db["k"] = "v"
            >>> db.delete("k"), db.delete("k")
            (True, False)
        """
        return self._run(self._calls.delete(key, deadline))

    def compare_and_put(
        self,
        key: Key,
        value: Any,
        revision: int,
        *,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> int:
        """Stores a value if the key still has the given revision.

        Args:
            key: As for `put`, as are `value`, `codec` and `deadline`.
            revision: Of the key's last change; 0: the key must not be there.

        Returns:
            The key's new revision.

        Raises:
            CompareFailed: The key has another revision, which is in `.revision`.
            Timeout: The outcome is unknown.
            Error: Any other one: nothing was changed.

        Example:
            >>> revision = db.compare_and_put("counter", "1", 0)
            >>> db.compare_and_put("counter", "2", revision) > revision
            True
        """
        return self._run(self._calls.compare_and_put(key, value, revision, codec, deadline))

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
    ) -> Any:
        """Returns the value of a key, or `default` if it is not there.

        Args:
            key: As for `put`.
            default: What to return if the key is not there.
            consistency: `"linearizable"` sees every write that was acknowledged before;
                `"local"` sees what the asked node has applied, maybe long ago; `"ledger"` is
                linearizable and leaves a block in the chain that says so.
            node: The node to ask, and no other: its id for a client of a `Cluster`, else the
                place of its endpoint, from 0.
            codec: Instead of the client's.
            deadline: Seconds after which the call ends; the client's if None.

        Raises:
            CodecError: What is stored is not what the codec reads.
            Error: The cluster did not answer.

        Example:
            >>> db["k"] = "v"
            >>> db.get("k"), db.get("k", consistency="ledger", codec="str"), db.get("x", "nothing")
            (b'v', 'v', 'nothing')
        """
        return self._run(self._calls.get(key, default, consistency, node, codec, deadline))

    def entry(
        self,
        key: Key,
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> Entry:
        """Returns a key's value with its revision and the height that was read.

        The arguments are those of `get`.

        Raises:
            NotFound: The key is not there.

        Example:
            >>> revision = db.put("k", "v")
            >>> db.entry("k").revision == revision
            True
        """
        return self._run(self._calls.entry(key, consistency, node, codec, deadline))

    def contains(
        self,
        key: Key,
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        deadline: float | None = None,
    ) -> bool:
        """Returns whether a key is there; `key in db` is the same.

        The arguments are those of `get`.

        Example:
            >>> db["k"] = "v"
            >>> db.contains("k", consistency="ledger"), "k" in db, "x" in db
            (True, True, False)
        """
        return self._run(self._calls.contains(key, consistency, node, deadline))

    def scan(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> list[Entry]:
        """Returns all entries whose keys begin with `prefix`, in the order of the keys' bytes.

        Beyond a thousand keys it is read in pages, each as fresh as asked; together they are no
        snapshot.

        Args:
            prefix: Of the keys; keys are given as `bytes` if it is `bytes`, else as `str`.
            consistency: `"linearizable"` or `"local"`, as for `get`.
            node: As for `get`.
            codec: As for `get`.
            deadline: For all pages together.

        Example:
            >>> db["a/1"] = "x"
            >>> [(entry.key, entry.value) for entry in db.scan("a/")]
            [('a/1', b'x')]
        """
        return self._run(self._calls.scan(prefix, consistency, node, codec, deadline))

    def keys(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        deadline: float | None = None,
    ) -> list[Any]:
        """Returns all keys that begin with `prefix`, in order; costs as much as `scan`.

        The arguments are those of `scan`.

        Example:
            >>> db["a/1"] = "x"
            >>> db.keys("a/"), db.keys(b"a/")
            (['a/1'], [b'a/1'])
        """
        return self._run(self._calls.keys(prefix, consistency, node, deadline))

    def items(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> list[tuple[Any, Any]]:
        """Returns all (key, value) whose keys begin with `prefix`, in order.

        The arguments are those of `scan`.

        Example:
            >>> db["a/1"] = "x"
            >>> dict(db.items("a/"))
            {'a/1': b'x'}
        """
        return self._run(self._calls.items(prefix, consistency, node, codec, deadline))

    def chain(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        node: int | None = None,
        deadline: float | None = None,
    ) -> Iterator[Block]:
        """Yields the blocks of the chain, each verified by itself and against the one before.

        Block 1 is also verified against genesis where the client knows the cluster's name.

        Args:
            first: The height to begin at.
            last: The height to end at; the head of the chain when the walk began, if None or less.
            node: As for `get`; where None, any nodes.
            deadline: Of each page of blocks.

        Raises:
            Damaged: A block is not what it should be, or does not link to the one before.

        Example:
            >>> db["k"] = "v"
            >>> heights = [block.height for block in db.chain()]
            >>> heights == list(range(1, len(heights) + 1))
            True
        """
        return self._walk(ChainWalk(self._calls, first, last, node, deadline))

    def _walk(self, walk: ChainWalk) -> Iterator[Block]:
        while (call := walk.next_call()) is not None:
            yield from walk.take(self._run(call))

    def admin(
        self, action: str, argument: Any = None, *, node: int, deadline: float | None = None
    ) -> Any:
        """Sends a question or an order to one node.

        Args:
            action: `"status"`, `"queue"`, `"verify"`, `"fault"` or `"faults"`.
            argument: Whatever JSON can say.
            node: As for `get`.
            deadline: As for `get`; `"verify"` reads the node's whole chain from its disk.

        Returns:
            The answer, from JSON.

        Example:
            >>> db.admin("status", node=0)["role"] in ("leader", "follower")
            True
        """
        return self._run(self._calls.admin(action, argument, node, deadline))

    # ---- like a dictionary

    def __getitem__(self, key: Key) -> Any:
        return self.entry(key).value

    def __setitem__(self, key: Key, value: Any) -> None:
        self.put(key, value)

    def __delitem__(self, key: Key) -> None:
        self._run(self._calls.remove(key))

    def __contains__(self, key: Key) -> bool:
        return self.contains(key)

    # ---- many at once

    @property
    def pipelined(self) -> Pipelined:
        """The same calls as futures.

        Example:
            >>> db.pipelined.put("k", "v").result() > 0
            True
        """
        return self._pipelined

    def batch(self) -> Batch:
        """Returns a `Batch`: it starts calls, and waits for all at its end. It is not atomic.

        Example:
            >>> with db.batch() as batch:
            ...     one, two = batch.put("a", "1"), batch.delete("b")
            >>> two.result()
            False
        """
        return Batch(self._calls)

    # ---- the connection

    def using(self, codec: str | Codec) -> Client:
        """Returns a view of the same connection with another codec.

        Example:
            >>> phones = db.using("json")
            >>> phones["5714580_netid"] = {"phone_number": "(730) 131-7993"}
            >>> phones["5714580_netid"]["phone_number"]
            '(730) 131-7993'
        """
        return Client(self._connection, codec)

    @property
    def endpoints(self) -> list[str]:
        """Where the nodes are.

        Example:
            >>> db.endpoints[0].startswith("tcp://")
            True
        """
        return list(self._connection.endpoints)

    @property
    def closed(self) -> bool:
        """Whether the connection was closed, through whichever view.

        Example:
            >>> db.closed
            False
        """
        return self._connection.closed

    def counters(self) -> dict[str, int]:
        """Returns what the connection has counted.

        Example:
            >>> sorted(db.counters())
            ['malformed_replies', 'packets_sent', 'requests_sent', 'retries', 'sessions_opened']
        """
        return self._connection.core.counters()

    def close(self) -> None:
        """Ends the connection, and with it every view of it.

        Calls under way end with ShuttingDown, or, where a write was already sent, with Timeout.
        Waits at most 250 ms for the cluster to take back the session. Closing twice does nothing.

        Example:
            >>> other = paxledger.connect(db.endpoints)
            >>> other.close()
            >>> other.closed
            True
        """
        self._connection.close()

    def __enter__(self) -> Client:
        self._connection.core.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<paxledger.Client of {', '.join(self.endpoints)}: {state}>"


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
    """Returns a client of a cluster. Connections are made when they are first needed.

    Args:
        endpoints: Of some or all nodes, like `"tcp://127.0.0.1:7101"`; several in one string are
            separated by commas. The first is asked first.
        cluster: The cluster's name; nodes of another cluster refuse then.
        codec: How values become bytes; see `paxledger.codecs`.
        deadline: Seconds after which a call ends that names no other deadline.
        session_ttl: Seconds without a sign of this client after which the cluster forgets its
            session; 1 to 86400.
        attempt_timeout: Seconds after which a silent node is passed over for another one.
        outstanding_max: Calls under way at once; one more ends with Overloaded.
        connections: To each node; more than one is for load generators.

    Raises:
        BadRequest: An endpoint or an option makes no sense.

    Example:
        >>> with paxledger.connect(db.endpoints, codec="json") as other:
        ...     other["k"] = [1, 2, 3]
        ...     other["k"]
        [1, 2, 3]
    """
    return Client(
        Connection(
            endpoints,
            cluster=cluster,
            deadline=deadline,
            session_ttl=session_ttl,
            attempt_timeout=attempt_timeout,
            outstanding_max=outstanding_max,
            connections=connections,
        ),
        codec,
    )


def connect_nodes(
    nodes: Mapping[int, str], *, codec: str | Codec = "bytes", **options: Any
) -> Client:
    """Returns a client that knows nodes by their ids, which are the keys of `nodes`.

    The other arguments are those of `connect`.

    Example:
        >>> nodes = dict(enumerate(db.endpoints, start=1))
        >>> with connect_nodes(nodes) as other:
        ...     other.admin("status", node=1)["node"]
        1
    """
    return Client(Connection(nodes, **options), codec)
