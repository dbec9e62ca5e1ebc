"""Asks every node again and again what it is: role, ballot, height."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from paxledger.lab.recording import Clock, Sample
from paxledger.lab.worker import Worker

# A node that does not answer within this is noted as unreachable.
PATIENCE_S = 0.25


class Sampler:
    """One thread for each node, so that one that hangs does not hold up the others.

    They ask by HTTP, which works whatever becomes of the nodes' links.

    Args:
        doors: The HTTP address of each node, as host:port or URL.
        interval: Seconds from one question to the next.
        clock: Whose second zero is waited for.
        samples: Where the answers are noted.
    """

    def __init__(
        self, doors: Mapping[int, str], interval: float, clock: Clock, samples: list[Sample]
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._samples = samples  # append() of a list is atomic
        self._stop = threading.Event()
        # The question to each node that is under way, for `stop` to break off.
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self._workers = [
            Worker(partial(self._watch, node, door), f"watch node {node}")
            for node, door in doors.items()
        ]

    def start(self) -> None:
        """Begins to wait for second zero."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Ends it at once, also where a node has not answered yet."""
        self._stop.set()
        for connection in list(self._connections.values()):
            hung = connection.sock
            if hung is not None:
                with contextlib.suppress(OSError):  # it has ended by itself
                    hung.shutdown(socket.SHUT_RDWR)
        for worker in self._workers:
            worker.join()

    def _watch(self, node: int, door: str) -> None:
        address = door.rpartition("/")[2]
        while not self._clock.started.wait(0.02):
            if self._stop.is_set():
                return
        due = 0.0
        while not self._stop.is_set():
            sample = self._ask(node, address)
            if self._stop.is_set():
                return  # that there was no answer may be the doing of `stop`
            self._samples.append(sample)
            # Questions that were missed while a node hung are not asked later.
            now = self._clock.now()
            due = max(due + self._interval, now - now % self._interval)
            self._stop.wait(max(0.0, due - now))

    def _ask(self, node: int, address: str) -> Sample:
        asked = self._clock.now()
        try:
            status = self._status(node, address)
        except (OSError, http.client.HTTPException, ValueError):
            return Sample(asked, node)
        return Sample(
            self._clock.now(),
            node,
            role=status["role"],
            height=status["height"],
            leader=status["leader"],
            ballot=status["ballot"],
            ready=status["ready"],
        )

    def _status(self, node: int, address: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
        self._connections[node] = connection
        try:
            connection.request("GET", "/status")
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise ValueError(f"/status says {response.status}")
            status: dict[str, Any] = json.loads(body)
            return status
        finally:
            del self._connections[node]
            connection.close()
