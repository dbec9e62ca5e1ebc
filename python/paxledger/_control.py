"""What a Cluster and its nodes, faults and views share: the processes, and questions to nodes."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from paxledger import _core
from paxledger._calls import Outcome
from paxledger._ending import Ending
from paxledger.errors import (
    BadRequest,
    ClosedError,
    Damaged,
    Error,
    ForkedError,
    SystemFailure,
    error_of,
)
from paxledger.guardian import Guardian
from paxledger.programs import find_program

_log = logging.getLogger("paxledger.cluster")

# How long a running node is given to answer a question about itself.
ASK_DEADLINE_S = 1.0
_LISTEN_PATIENCE_S = 5.0


class Control:
    """The processes of one cluster.yaml, and a connection to ask their nodes.

    Threads: any. Processes: the one that made it.

    Attributes:
        configuration: What the C++ library has read of cluster.yaml.
        ids: The nodes, in the file's order.
        ending: What happens when the cluster is closed, or nothing refers to this any more.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        # Octets, as the system has them: not every path is text.
        path = os.fsencode(file)
        if b"\0" in path:
            raise BadRequest(f"the path of a file has no octet 0, as {file!r} has")
        self.configuration: dict[str, Any] = _core.read_configuration(path)
        self.file: str = self.configuration["file"]
        self.ids: tuple[int, ...] = tuple(node["id"] for node in self.configuration["nodes"])
        self.name: str = self.configuration["cluster"]
        self._daemon = find_program("paxledgerd")
        self._core = _core.LocalCluster(self.file, self._daemon, _log.info)
        self._process = os.getpid()
        self._closed = False
        self._lock = threading.Lock()
        self._asker: _core.Client | None = None
        self.ending = Ending(self._core, f"the cluster {self.name!r} of {self.file}")
        # The end of the interpreter has a place of its own, in the right order with others.
        weakref.finalize(self, self.ending.drop).atexit = False

    # ---- whether it may be used

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def forked(self) -> bool:
        return os.getpid() != self._process

    @property
    def owner(self) -> str:
        """The process that made it, for people."""
        return f"process {self._process}"

    def check_usable(self) -> None:
        """Raises ForkedError, ClosedError."""
        if self.forked:
            raise ForkedError(
                f"this cluster was opened in process {self._process} and cannot be used in process "
                f"{os.getpid()}, its fork; open it there with Cluster.from_yaml({self.file!r})"
            )
        if self._closed:
            raise ClosedError(
                f"the cluster of {self.file} is closed; open it again with Cluster.from_yaml"
            )

    @property
    def core(self) -> _core.LocalCluster:
        """The C++ controller. Raises ForkedError, ClosedError."""
        self.check_usable()
        return self._core

    # ---- nodes

    def node_id(self, node: Any) -> int:
        """Returns the id of a node, given by it or as a Node. Raises BadRequest, TypeError."""
        number = getattr(node, "id", node)
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(
                f"a node is meant by its id, a number such as {self.ids[0]}, not {node!r}"
            )
        if number not in self.ids:
            known = ", ".join(map(str, self.ids))
            raise BadRequest(f"there is no node {number} in {self.file}, only {known}")
        return number

    def settings(self, node: int) -> dict[str, Any]:
        """What cluster.yaml says of a node."""
        found: dict[str, Any] = self.configuration["nodes"][self.ids.index(node)]
        return found

    def log_file(self, node: int) -> Path:
        return Path(self.configuration["data_dir"]) / f"node-{node}.log"

    def processes(self) -> dict[int, tuple[str, int | None]]:
        """The state and pid of every node."""
        return {node: (state, pid or None) for node, state, pid in self.core.processes()}

    @contextlib.contextmanager
    def starting(self) -> Iterator[_core.LocalCluster]:
        """Within it, processes may be started. Those that are ours do not outlive Python."""
        core = self.core
        guardian = current_guardian()
        core.report_to(guardian.fileno())
        guardian.starting(self.file, sorted(core.theirs()))
        try:
            yield core
        finally:
            # C++ has told of each at once. This is what a guardian has to know that takes the place
            # of one that was killed, at this moment or later.
            with contextlib.suppress(OSError):
                guardian = Guardian.current()
            for _, pid, birth in core.ours():
                guardian.process(pid, birth)
            guardian.started(self.file)

    # ---- questions

    def _connection(self) -> _core.Client:
        self.check_usable()
        with self._lock:
            if self._asker is None:
                self._asker = _core.Client(
                    endpoints=[node["client"] for node in self.configuration["nodes"]],
                    cluster=self.configuration["cluster_id"],
                    deadline=5.0,
                    attempt_timeout=0.5,
                    session_ttl=120.0,
                    outstanding_max=4096,
                    connections=1,
                    spread=False,
                )
            return self._asker

    def ask(
        self, nodes: Iterable[int], action: str, deadline: float = ASK_DEADLINE_S
    ) -> dict[int, Any]:
        """Asks nodes at the same time; the value is the answer from JSON, or the Error."""
        connection = self._connection()
        calls = {
            node: connection.admin(action, "", deadline=deadline, endpoint=self.ids.index(node))
            for node in nodes
        }
        answers: dict[int, Any] = {}
        for node, call in calls.items():
            code, value, _, _, message, *_ = _finish(call, deadline)
            answers[node] = json.loads(value) if code == 0 else _failure(node, code, message)
        return answers

    def ask_one(self, node: int, action: str) -> Any:
        """Asks one node. Raises what it answers instead."""
        self._require_running(node)
        answer = self.ask([node], action, 5.0)[node]
        if isinstance(answer, Error):
            raise answer
        return answer

    def scan(self, node: int, prefix: bytes) -> list[tuple[bytes, bytes, int]]:
        """Keys, values and revisions as one node has them."""
        self._require_running(node)
        connection = self._connection()
        endpoint = self.ids.index(node)
        mode = _core.ReadMode.local
        code, items, _, _, message, *_ = self._ask_listening(
            node,
            lambda: connection.scan(prefix, mode, deadline=30.0, endpoint=endpoint),
            30.0,
        )
        if code != 0:
            raise _failure(node, code, message)
        found: list[tuple[bytes, bytes, int]] = items
        return found

    def blocks(self, node: int, first: int, last: int | None) -> Iterator[bytes]:
        """The encoded blocks of one node, from `first` to `last` or to its head at the call."""
        self._require_running(node)
        connection = self._connection()
        while last is None or first <= last:
            start = functools.partial(
                connection.chain, first, deadline=10.0, endpoint=self.ids.index(node)
            )
            code, blocks, begin, head, message, *_ = self._ask_listening(node, start, 10.0)
            if code != 0:
                raise _failure(node, code, message)
            if blocks and begin != first:
                raise Damaged(f"node {node} answers with block {begin}, asked for {first}")
            last = head if last is None else min(last, head)
            if not blocks:
                return
            yield from blocks[: last - first + 1]
            first += len(blocks)

    def _ask_listening(self, node: int, start: Callable[[], Any], deadline: float) -> Outcome:
        """Asks a node that runs. One that was started a moment ago is waited for.

        It may not listen yet, and the connection tries again after a while only.
        """
        until = time.monotonic() + _LISTEN_PATIENCE_S
        while True:
            outcome = _finish(start(), deadline)
            state, _ = self.processes()[node]
            refused = outcome[0] == _core.ErrorCode.io.value and state == "running"
            if not refused or time.monotonic() >= until:
                return outcome
            time.sleep(0.02)

    def _require_running(self, node: int) -> None:
        state, _ = self.processes()[node]
        if state == "running":
            return
        then = "resume" if state == "paused" else "start"
        raise BadRequest(
            f"node {node} is {state} and cannot answer; cluster.node({node}).{then}() brings it "
            f"back. Its log is {self.log_file(node)}"
        )

    def close(self) -> None:
        """Ends the connection, and every later use."""
        self._closed = True
        with self._lock:
            if self._asker is not None and not self.forked:
                self._asker.close()
            self._asker = None


def current_guardian() -> Guardian:
    """Returns the guardian of this interpreter, started if need be. Raises SystemFailure."""
    try:
        return Guardian.current()
    except OSError as failure:
        raise SystemFailure(
            f"cannot start the process that ends the nodes when Python dies: {failure}"
        ) from failure


def _finish(call: Any, deadline: float) -> Outcome:
    # The C++ client ends every call by its deadline.
    while not call.wait(deadline + 1):
        pass
    outcome: Outcome = call.outcome()
    return outcome


def _failure(node: int, code: int, message: str) -> Error:
    error = error_of(code, f"node {node}: {message or _core.ErrorCode(code).name}")
    error.outcome_unknown = False  # a question changes nothing, whether it was answered or not
    return error
