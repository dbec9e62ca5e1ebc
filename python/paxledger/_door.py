"""Where the calls of asyncio clients come back into their event loops."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

from paxledger import _core
from paxledger._calls import Call, Outcome, T
from paxledger._connection import Connection


class Door:
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


class Doors:
    """The doors of a connection, one for each event loop that uses it. Any thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._doors: dict[asyncio.AbstractEventLoop, Door] = {}

    def find(self) -> Door:
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
            door = self._doors[loop] = Door(loop, self.connection)
        return door

    async def close(self) -> None:
        """Closes the connection without holding up the running event loop."""
        try:
            try:
                waited = asyncio.get_running_loop().run_in_executor(None, self.connection.close)
            except RuntimeError:  # the loop is about to end, and has shut its threads down
                self.connection.close()
            else:
                await waited
        except asyncio.CancelledError:
            self.connection.abandon()  # else the loop could not end before that thread
            raise
        finally:
            self.detach_soon()

    def detach_soon(self) -> None:
        """Takes the descriptors away from the loops, after the connection was closed."""
        for door in list(self._doors.values()):
            door.detach_soon()
        self._doors.clear()
