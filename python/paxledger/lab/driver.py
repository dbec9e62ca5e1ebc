"""Runs a workload: begins operations when they are due, and records how each of them ended.

No coordinated omission: in an open loop an operation's time counts from when it was meant to begin,
also if it could not begin then.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from paxledger.errors import BadRequest, Error, TooLarge
from paxledger.lab.recording import Clock, OperationRecord
from paxledger.lab.worker import Worker
from paxledger.lab.workload import WRITES, Operation, Workload

if TYPE_CHECKING:
    from paxledger import aio

# It was due, and the experiment ended before it could begin.
NOT_BEGUN = "not_begun"
# An answer, though not the wished one; everything else but "ok" is an error.
ANSWERS = ("ok", "not_found", "compare_failed")

# After an error a closed loop waits, so that errors that come at once do not become the load.
PAUSE_AFTER_ERROR_S = 0.01
_LOOK_S = 0.05
_FILL_OUTSTANDING = 256
# So long no write of the fill may succeed before the cluster counts as one that does not serve.
_FILL_PATIENCE_S = 10.0


class Driver:
    """One workload with one client, on an event loop in a thread of its own.

    Invariants:
      1. At most `concurrency` operations (closed loop) or `outstanding_max` (open loop) are under
         way.
      2. Every operation that begins is recorded, unless the record is full: then no more begin.
      3. The exception of every future is retrieved.

    Args:
        connect: Makes the client; called on the driver's thread.
        workload: What to do.
        random: Where chance comes from; used by this driver alone.
        record: Where the operations are noted.
        clock: Second zero is when all workloads are ready; the driver waits for that.
        duration: Seconds after which no further operation begins.
        stop: Set it to end early.
    """

    def __init__(
        self,
        connect: Callable[[], aio.Client],
        workload: Workload,
        random: Random,
        record: OperationRecord,
        clock: Clock,
        duration: float,
        stop: threading.Event,
    ) -> None:
        self._connect = connect
        self._workload = workload
        self._random = random
        self._record = record
        self._clock = clock
        self._duration = duration
        self._stop = stop
        self._aborted = threading.Event()
        self._under_way: set[asyncio.Future[Any]] = set()
        self._ended: asyncio.Event | None = None
        self._db: aio.Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main_task: asyncio.Task[None] | None = None
        self._fill_until = math.inf
        self.ready = threading.Event()
        self.settled = threading.Event()
        self.failure: BaseException | None = None
        self.last_start = 0.0
        self._worker = Worker(self._run, f"workload {workload.name}")

    def start(self) -> None:
        """Begins to connect, and to write what is to be there before the clock starts."""
        self._worker.start()

    def alive(self) -> bool:
        """Whether operations are under way, or may yet begin."""
        return self._worker.alive()

    def abort(self) -> None:
        """Ends it without waiting for answers: what is under way is recorded without one.

        After that `settled` is set. The thread lives on until its client is closed.
        """
        self._aborted.set()
        self._stop.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._break_off)

    def _break_off(self) -> None:
        assert self._main_task is not None
        for future in list(self._under_way):
            future.cancel()
        self._main_task.cancel()
        if not self._under_way:
            self.settled.set()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the end; at the latest a deadline after the duration."""
        self._worker.join(timeout)

    def _run(self) -> None:
        try:
            with contextlib.closing(_precise_loop()) as loop:
                try:
                    loop.run_until_complete(self._main())
                finally:
                    loop.run_until_complete(loop.shutdown_default_executor())
        except BaseException as failure:
            self.failure = failure
            self._stop.set()
        finally:
            self.ready.set()
            self.settled.set()

    async def _main(self) -> None:
        self._ended = asyncio.Event()
        self._main_task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        if self._aborted.is_set():  # before there was a loop to tell
            return
        try:
            await self._work()
        except asyncio.CancelledError:
            if not self._aborted.is_set():
                raise
        if self.failure is not None:
            raise self.failure

    async def _work(self) -> None:
        async with self._connect() as db:
            self._db = db
            await self._fill(db)
            self.ready.set()
            while not self._clock.started.is_set():
                if self._stop.is_set():
                    return
                await asyncio.sleep(0.001)
            if self._workload.rate is None:
                await self._closed_loop()
            else:
                await self._open_loop(self._workload.rate)
            await self._drain()

    async def _drain(self) -> None:
        assert self._ended is not None
        while self._under_way:
            self._ended.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LOOK_S)

    # --- before the clock starts

    async def _fill(self, db: aio.Client) -> None:
        pending: deque[tuple[Operation, asyncio.Future[Any]]] = deque()
        for operation in self._workload.initial(self._random):
            if self._stop.is_set():
                break
            if len(pending) >= min(_FILL_OUTSTANDING, self._workload.outstanding_max):
                await self._filled(db, *pending.popleft())
            pending.append((operation, self._fill_call(db, operation)))
        while pending:
            await self._filled(db, *pending.popleft())

    def _fill_call(self, db: aio.Client, operation: Operation) -> asyncio.Future[Any]:
        future = self._call(db, operation)
        # When one of them fails for good, nobody waits for the others any more.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    async def _filled(
        self, db: aio.Client, operation: Operation, future: asyncio.Future[Any]
    ) -> None:
        # A fill that fails would make an experiment that is not the one asked for.
        clock = asyncio.get_running_loop().time
        while not self._stop.is_set():
            try:
                await future
                self._fill_until = math.inf
                return
            except Error as failure:
                self._fill_until = min(self._fill_until, clock() + _FILL_PATIENCE_S)
                if isinstance(failure, (BadRequest, TooLarge)) or clock() >= self._fill_until:
                    raise type(failure)(
                        f"the workload {self._workload.name!r} could not write the keys that are "
                        f"to be there when it begins (fill=False leaves them out): {failure}"
                    ) from failure
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            future = self._fill_call(db, operation)

    # --- the loops

    def _over(self) -> bool:
        return (
            self._clock.now() >= self._duration
            or self._stop.is_set()
            or self._record.full
            or self.failure is not None
        )

    async def _closed_loop(self) -> None:
        loop = asyncio.get_running_loop()

        def go_on(answered: bool) -> None:
            if self._over():
                return
            if answered:
                self._begin(self._clock.now(), go_on)
            else:
                loop.call_later(PAUSE_AFTER_ERROR_S, go_on, True)

        for _ in range(self._workload.concurrency):
            go_on(True)
        while not self._over():
            await asyncio.sleep(min(_LOOK_S, max(0.0, self._duration - self._clock.now())))

    async def _open_loop(self, rate: float) -> None:
        assert self._ended is not None
        number = 0
        while (due := number / rate) < self._duration and not self._over():
            wait = due - self._clock.now()
            if wait > 0:
                await asyncio.sleep(min(wait, _LOOK_S))
            elif len(self._under_way) >= self._workload.outstanding_max:
                self._ended.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _LOOK_S)
            else:
                self._begin(due, None)
                number += 1
                if number % 64 == 0:
                    await asyncio.sleep(0)  # lets what has ended be seen as ended
        # What was due and could not begin is not left out: it would have waited longest.
        while (due := number / rate) < min(self._duration, self._clock.now()):
            operation = self._next()
            now = self._clock.now()
            text = f"{self._workload.outstanding_max} operations were under way to the end"
            self._write_down(operation, due, now, now, NOT_BEGUN, 0, text)
            if self._record.full:
                return
            number += 1

    # --- one operation

    def _begin(self, start: float, then: Callable[[bool], None] | None) -> None:
        assert self._db is not None
        try:
            operation = self._next()
            begun = self._clock.now()
            future = self._call(self._db, operation)
        except Exception as failure:  # of the workload's own code: there is no sense in going on
            self.failure = failure
            return
        self._under_way.add(future)
        self.last_start = start

        def ended(future: asyncio.Future[Any]) -> None:
            self._note(operation, start, begun, future, then)

        future.add_done_callback(ended)

    def _next(self) -> Operation:
        operation = self._workload.next_operation(self._random)
        if not isinstance(operation, Operation):
            raise TypeError(
                f"next_operation of {self._workload!r} returned {operation!r}; expected an "
                'Operation, e.g. Operation("put", "key", b"value")'
            )
        return operation

    def _call(self, db: aio.Client, operation: Operation) -> asyncio.Future[Any]:
        if not isinstance(operation, Operation):
            raise TypeError(
                f"initial of {self._workload!r} yielded {operation!r}; expected an Operation, "
                'e.g. Operation("put", "key", b"value")'
            )
        if operation.kind == "get":
            return db.entry(operation.key, consistency=operation.consistency, node=operation.node)
        if operation.kind == "put":
            return db.put(operation.key, operation.value)
        if operation.kind == "delete":
            return db.delete(operation.key)
        return db.compare_and_put(operation.key, operation.value, operation.revision)

    def _note(
        self,
        operation: Operation,
        start: float,
        begun: float,
        future: asyncio.Future[Any],
        then: Callable[[bool], None] | None,
    ) -> None:
        end = self._clock.now()
        self._under_way.discard(future)
        assert self._ended is not None
        self._ended.set()
        kind = operation.kind
        revision = 0
        message = ""
        error = None if future.cancelled() else future.exception()
        if future.cancelled():  # by an abort
            outcome = "unknown" if kind in WRITES else "interrupted"
            message = "the experiment was interrupted before there was an answer"
        elif error is None:
            outcome = "ok"
            if kind == "get":
                revision = future.result().revision
            elif kind != "delete":
                revision = future.result()
        elif isinstance(error, Error):
            outcome = error.code
            revision = getattr(error, "revision", 0)
            if error.outcome_unknown and kind in WRITES:
                outcome = "unknown"
            if outcome not in ANSWERS:
                message = str(error)
        else:
            self.failure = error
            return
        self._write_down(operation, start, begun, end, outcome, revision, message)
        if self._aborted.is_set() and not self._under_way:
            self.settled.set()
        if then is not None:
            then(not message)

    def _write_down(
        self,
        operation: Operation,
        start: float,
        begun: float,
        end: float,
        outcome: str,
        revision: int,
        message: str,
    ) -> None:
        node = operation.node or 0
        if not node and self._workload.nodes is not None and len(self._workload.nodes) == 1:
            node = self._workload.nodes[0]
        self._record.add(
            start, begun, end, operation.kind, operation.key, outcome, revision, node,
            self._workload.name, message,
        )  # fmt: skip


def _precise_loop() -> asyncio.AbstractEventLoop:
    # asyncio rounds waits up to milliseconds with epoll, but not with select, which in turn takes
    # descriptors below 1,024 only.
    with Path(os.devnull).open("rb") as probe:
        precise = probe.fileno() < 1000
    return asyncio.SelectorEventLoop(selectors.SelectSelector() if precise else None)
