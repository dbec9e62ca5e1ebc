"""Many calls under way at once, from a program that blocks."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any

from paxledger._calls import BATCH_WINDOW, Call, Calls, Key, T
from paxledger.codecs import Codec
from paxledger.entry import Entry
from paxledger.errors import ClosedError
from paxledger.future import Future


class Pipelined:
    """The calls of a client as futures: `db.pipelined.put(...)` starts, and returns at once.

    Calls of one client may overtake each other, also two writes of the same key; wait for the one
    before you start the other where it matters. More than `outstanding_max` calls at once end with
    Overloaded. Wrong arguments raise at once.

    Example:
        >>> first = db.pipelined.put("a", "1")
        >>> second = db.pipelined.put("b", "2")
        >>> first.result() != second.result()
        True
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def _begin(self, call: Call[T]) -> Future[T]:
        return Future(call)

    def put(
        self,
        key: Key,
        value: Any,
        *,
        codec: str | Codec | None = None,
        deadline: float | None = None,
    ) -> Future[int]:
        """Starts `Client.put`.

        Example:
            >>> db.pipelined.put("k", "v").result() > 0
            True
        """
        return self._begin(self._calls.put(key, value, codec, deadline))

    def delete(self, key: Key, *, deadline: float | None = None) -> Future[bool]:
        """Starts `Client.delete`.

        Example:
            >>> db.pipelined.delete("k").result()
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
    ) -> Future[int]:
        """Starts `Client.compare_and_put`.

        Example:
            >>> db.pipelined.compare_and_put("k", "v", 0).result() > 0
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
    ) -> Future[Any]:
        """Starts `Client.get`.

        Example:
            >>> db.pipelined.get("k", "nothing").result()
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
    ) -> Future[Entry]:
        """Starts `Client.entry`.

        Example:
            >>> revision = db.put("k", "v")
            >>> db.pipelined.entry("k").result().revision == revision
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
    ) -> Future[bool]:
        """Starts `Client.contains`.

        Example:
            >>> db.pipelined.contains("k").result()
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
    ) -> Future[list[Entry]]:
        """Starts `Client.scan`.

        Example:
            >>> db.pipelined.scan("nothing/").result()
            []
        """
        return self._begin(self._calls.scan(prefix, consistency, node, codec, deadline))

    def keys(
        self,
        prefix: Key = "",
        *,
        consistency: str = "linearizable",
        node: int | None = None,
        deadline: float | None = None,
    ) -> Future[list[Any]]:
        """Starts `Client.keys`.

        Example:
            >>> db.pipelined.keys("nothing/").result()
            []
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
    ) -> Future[list[tuple[Any, Any]]]:
        """Starts `Client.items`.

        Example:
            >>> db.pipelined.items("nothing/").result()
            []
        """
        return self._begin(self._calls.items(prefix, consistency, node, codec, deadline))

    def admin(
        self, action: str, argument: Any = None, *, node: int, deadline: float | None = None
    ) -> Future[Any]:
        """Starts `Client.admin`.

        Example:
            >>> db.pipelined.admin("status", node=0).result()["role"] in ("leader", "follower")
            True
        """
        return self._begin(self._calls.admin(action, argument, node, deadline))


class Batch(Pipelined):
    """Calls that a `with` block starts, and that have all ended when it is left.

    It is not atomic: each call stands for itself, others may see some of them, and after an error
    the others have their effects all the same. Any number of calls may be made; at most 1,024 are
    under way at once. When the block is left, the first error is raised. An exception of the block
    itself goes first.

    Example:
        >>> with db.batch() as batch:
        ...     for i in range(100):
        ...         _ = batch.put(f"n{i:02}", str(i))
        >>> len(db.keys("n"))
        100
    """

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        self._window = min(BATCH_WINDOW, calls.connection.outstanding_max)
        self._under_way: deque[Future[Any]] = deque()
        self._first_error: Exception | None = None
        self._over = False

    def _begin(self, call: Call[T]) -> Future[T]:
        self._check_open()
        if len(self._under_way) >= self._window:
            self._wait_for_oldest()
        future = Future(call)
        self._under_way.append(future)
        return future

    def _wait_for_oldest(self) -> None:
        error = self._under_way[0].exception()
        self._under_way.popleft()
        if self._first_error is None:
            self._first_error = error

    def _check_open(self) -> None:
        if self._over:
            raise ClosedError("the batch has ended; make another one")

    def __enter__(self) -> Batch:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        if failure is not None and not isinstance(failure, Exception):
            return  # Ctrl-C, or the end of the program: no further wait
        while self._under_way:
            self._wait_for_oldest()
        if failure is None and self._first_error is not None:
            raise self._first_error
