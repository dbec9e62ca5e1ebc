"""How a cluster ends: closed, dropped without that, or left to the end of the interpreter."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import threading
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from paxledger import _core
from paxledger._connection import Connection
from paxledger.errors import Error
from paxledger.guardian import Guardian
from paxledger.ports import PortBlock

if TYPE_CHECKING:
    from paxledger._door import Doors


class Ending:
    """What is to be done when a cluster ends, however it does.

    It refers to neither the Cluster nor its Control: it is what happens when those are garbage.

    Threads: any. Processes: the one that made it; in a fork it does nothing.

    Attributes:
        connections: Of its clients, by their addresses; they are closed with the cluster.
        doors: Of those that are for asyncio; they leave their event loops.
        ports: Are given back.
        temporary: Is removed.
    """

    def __init__(self, core: _core.LocalCluster, title: str) -> None:
        self.connections: weakref.WeakValueDictionary[int, Connection] = (
            weakref.WeakValueDictionary()
        )
        self.doors: weakref.WeakValueDictionary[int, Doors] = weakref.WeakValueDictionary()
        self.ports: PortBlock | None = None
        self.temporary: Path | None = None
        self._core = core
        self._title = title
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._done = False
        _all[id(self)] = self

    def end(self, *, kill: bool = False) -> None:
        """Ends the nodes that are ours, by killing them if that is wanted, and all the rest.

        Raises:
            SystemFailure: A node does not end.
        """
        with self._lock:
            if not self._is_due():
                return
            try:
                self._close_connections()
                if not kill:
                    self._core.end(False)
            finally:
                try:
                    # What is left after an interrupted or a failed stop, or needs no farewell.
                    self._core.end(True)
                finally:
                    self._tidy()

    def drop(self) -> None:
        """The cluster is garbage. Kills what still runs and says so.

        It may be called within any other code of this thread: it waits for no lock of Python's, and
        not for long.
        """
        if not self._is_due():
            return
        running = [str(node) for node, _, _ in self._core.ours()]
        try:
            with contextlib.suppress(Error):
                self._core.end(True, deaf=True)
        finally:
            self._tidy()
        if running:
            nodes = f"node{'s' if len(running) > 1 else ''} {', '.join(running)}"
            warnings.warn(
                f"{self._title} was dropped while it ran, and its {nodes} killed; end it with "
                "close(), or use it in a `with` block",
                ResourceWarning,
                stacklevel=2,
            )

    def _close_connections(self) -> None:
        """All say their farewells at once. Ctrl-C ends that."""
        cores = [each.core for known in self.connections.valuerefs() if (each := known())]
        try:
            for core in cores:
                core.begin_close()
            for core in cores:
                core.close()
        finally:
            for core in cores:
                core.abandon()
            for known in self.doors.valuerefs():
                if doors := known():
                    doors.detach_soon()

    def _is_due(self) -> bool:
        return not self._done and os.getpid() == self._process

    def _tidy(self) -> None:
        self._done = True
        if self.ports is not None:
            self.ports.close()
        if self.temporary is not None:
            remove(self.temporary)


def remove(directory: Path) -> None:
    """Removes a temporary directory. What is left is removed when the interpreter has ended."""
    shutil.rmtree(directory, ignore_errors=True)
    guardian = Guardian.present()
    if guardian is not None and not directory.exists():
        guardian.keep(str(directory))


# By their addresses; unlike of a WeakSet, a list can be made of it while other threads add to it.
_all: weakref.WeakValueDictionary[int, Ending] = weakref.WeakValueDictionary()


@atexit.register
def _end_all() -> None:
    """Stops what was started and not closed."""
    for reference in _all.valuerefs():
        each = reference()
        if each is not None:
            with contextlib.suppress(Exception):
                each.end()
