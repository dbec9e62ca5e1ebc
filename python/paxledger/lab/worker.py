"""A thread that can be waited for in spite of Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """A thread. Before Python 3.13 one must not wait for a thread by itself where Ctrl-C may come.

    Thread.join() takes a thread that runs for one that has ended if an exception interrupts it. So
    the end is an event here, and only then the thread is joined.
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self._started = False

    def start(self) -> None:
        """Begins."""
        self._started = True
        self._thread.start()

    def alive(self) -> bool:
        """Whether it has begun and has not ended."""
        return self._started and not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the end."""
        if self._started and self._ended.wait(timeout):
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.set()
