"""Calls that are under way while the caller does something else."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from paxledger import _core
from paxledger._calls import Call
from paxledger._connection import seconds
from paxledger.errors import ForkedError, Timeout

T = TypeVar("T")


class Future(Generic[T]):
    """The end of a call that was made through `db.pipelined` or a batch.

    Every call ends within its deadline, so a future is always done sooner or later. Dropping a
    future does not take back its call. Any thread may use it.

    Example:
        >>> futures = [db.pipelined.put(f"k{i}", "v") for i in range(3)]
        >>> [future.result() > 0 for future in futures]
        [True, True, True]
    """

    __slots__ = ("__weakref__", "_call", "_error", "_operation", "_value")

    def __init__(self, call: Call[T]) -> None:
        self._operation: _core.Operation = call.start(*call.arguments)
        self._call: Call[T] | None = call  # None: what it came to is in _value or _error
        self._value: Any = None
        self._error: Exception | None = None

    def done(self) -> bool:
        """Returns whether the call has ended.

        Example:
            >>> future = db.pipelined.get("k")
            >>> future.result() is None and future.done()
            True
        """
        return self._call is None or self._operation.done()

    def result(self, timeout: float | None = None) -> T:
        """Returns what the call gave, or raises what it ended with.

        Args:
            timeout: Seconds to wait; None for as long as the call takes.

        Raises:
            Timeout: It is still under way, and goes on (`done()` is false); or it ended so.
            Error: What the call ended with.

        Example:
            >>> db.pipelined.put("k", "v").result(timeout=5) > 0
            True
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        value: T = self._value
        return value

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Returns what the call ended with; None if it went well.

        Args:
            timeout: As for `result`.

        Raises:
            Timeout: It is still under way.

        Example:
            >>> db.pipelined.entry("nothing").exception()
            NotFound("the key 'nothing' is not there")
        """
        call = self._call
        if call is None:
            return self._error
        if not self._operation.wait(None if timeout is None else seconds(timeout, "timeout")):
            raise Timeout(
                f"the call is still under way after {timeout:g} s, and goes on",
                outcome_unknown=call.is_write,
            )
        try:
            self._value = call.finish(self._operation.outcome(), call.about)
        except Exception as failure:
            self._error = failure
        self._call = None
        return self._error

    def __reduce__(self) -> NoReturn:
        raise TypeError("a future belongs to this process, and cannot be copied; pass its result()")

    def __repr__(self) -> str:
        try:
            if not self.done():
                return "<paxledger.Future: under way>"
        except ForkedError:
            return "<paxledger.Future: of the process before the fork>"
        error = self.exception()
        return (
            f"<paxledger.Future: {self._value!r}>"
            if error is None
            else (f"<paxledger.Future: {error!r}>")
        )


class Waited(NamedTuple):
    """What `wait` found, in the order that was given."""

    done: list[Future[Any]]
    pending: list[Future[Any]]


def wait(futures: Iterable[Future[Any]], timeout: float | None = None) -> Waited:
    """Waits until all futures are done, whatever they ended with.

    Args:
        futures: Of any clients.
        timeout: Seconds; None for as long as the calls take.

    Returns:
        The futures that are done and those that are not.

    Example:
        >>> done, pending = paxledger.wait([db.pipelined.put("k", "v"), db.pipelined.get("k")])
        >>> len(done), len(pending)
        (2, 0)
    """
    listed = list(futures)
    for each in listed:
        if not isinstance(each, Future):
            raise TypeError(f"wait() takes futures of db.pipelined, not {type(each).__qualname__}")
    until = None if timeout is None else time.monotonic() + seconds(timeout, "timeout")
    for each in listed:
        left = None if until is None else max(0.0, until - time.monotonic())
        if each._call is not None and not each._operation.wait(left):
            break
    found = [(each, each.done()) for each in listed]
    return Waited(
        [each for each, done in found if done], [each for each, done in found if not done]
    )
