# Made by scripts/stubs.py from the module; do not edit.
"""
What Python sees of the C++ libraries; paxledger is the face.
"""

from __future__ import annotations

import collections.abc
import enum
import os
import typing

__all__: list[str] = [
    "Client",
    "CompletionQueue",
    "ErrorCode",
    "LocalCluster",
    "Operation",
    "ReadMode",
    "Simulation",
    "await_waiters",
    "draw_plan",
    "find_daemon",
    "read_configuration",
]

class ErrorCode(enum.IntEnum):
    """
    The errors of Paxledger.
    """

    ok = 0
    not_found = 1
    compare_failed = 2
    no_quorum = 3
    timeout = 4
    overloaded = 5
    too_large = 6
    session_expired = 7
    unauthorized = 8
    bad_request = 9
    shutting_down = 10
    repairing = 11
    io = 64
    damaged = 65
    configuration = 66

class ReadMode(enum.IntEnum):
    """
    How fresh a read must be.
    """

    linearizable = 0
    local = 1
    ledger = 2

class Operation:
    """
    A call under way, to be waited for.
    """
    def done(self) -> bool:
        """
        Whether the call has ended.
        """
    def outcome(self) -> tuple[int, typing.Any, int, int, str, int, bool]:
        """
        What the call came to. ValueError before its end.
        """
    def result(self) -> tuple[int, typing.Any, int, int, str, int, bool]:
        """
        Waits, and returns what the call came to.
        """
    def wait(self, seconds: float | None = None) -> bool:
        """
        Waits; returns whether the call has ended.
        """

class CompletionQueue:
    """
    Ends of calls, for an event loop.
    """
    def __init__(self) -> None: ...
    def drain(self) -> list[tuple[int, tuple[int, typing.Any, int, int, str, int, bool]]]:
        """
        All (token, outcome) that have come in.
        """
    def fileno(self) -> int:
        """
        Readable when drain() would return something.
        """

class Client:
    """
    The client of the C++ library.
    """
    def __init__(
        self,
        *,
        endpoints: collections.abc.Sequence[str],
        cluster: int | None,
        deadline: float,
        attempt_timeout: float,
        session_ttl: float,
        outstanding_max: int,
        connections: int,
        spread: bool,
    ) -> None: ...
    def abandon(self) -> None:
        """
        Closes, and ends the wait of close().
        """
    def admin(
        self,
        action: str,
        argument: str,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    def begin_close(self) -> None:
        """
        What close() does, but for its wait.
        """
    def chain(
        self,
        first: int,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    def check(self) -> None:
        """
        Raises ClosedError or ForkedError.
        """
    def close(self) -> None:
        """
        Ends calls under way; idempotent.
        """
    def compare_and_put(
        self,
        key: bytes,
        revision: int,
        value: bytes,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    def counters(self) -> dict[str, int]: ...
    def get(
        self,
        key: bytes,
        mode: int,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    def put(
        self,
        key: bytes,
        value: bytes,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    def remove(
        self,
        key: bytes,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    def scan(
        self,
        prefix: bytes,
        mode: int,
        deadline: float = -1.0,
        endpoint: int = -1,
        queue: CompletionQueue | None = None,
    ) -> Operation | int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def forked(self) -> bool: ...

class LocalCluster:
    """
    The nodes of a cluster.yaml as processes.
    """
    def __init__(
        self,
        file: os.PathLike[str] | str | bytes,
        daemon: os.PathLike[str] | str | bytes,
        progress: collections.abc.Callable[[str], None],
    ) -> None: ...
    def claim_all(self) -> None:
        """
        All nodes are ours from now on, whoever starts them.
        """
    def configuration(self) -> dict[str, typing.Any]: ...
    def down(self) -> int: ...
    def end(self, kill: bool, deaf: bool = False) -> None:
        """
        Ends every call, and the nodes that are ours.
        """
    def faults(self) -> dict[str, typing.Any]: ...
    def heal(self, patience: float) -> None: ...
    def inject(
        self,
        links: collections.abc.Sequence[tuple[int, int, bool, float, float, float, float, float]],
    ) -> None:
        """
        All at once: [(from, to, block, drop, delay_ms, jitter_ms, duplicate, reorder)…]
        """
    def kill(self, node: int) -> None: ...
    def ours(self) -> list[typing.Any]:
        """
        [(node, pid, birth)…]: started here, not ended, nobody else's node.
        """
    def pause(self, node: int) -> None: ...
    def processes(self) -> list[typing.Any]:
        """
        [(node, "stopped" | "running" | "paused", pid)…]
        """
    def report_to(self, socket: int) -> None:
        """
        Where every started process is reported, as a line of JSON.
        """
    def restart(self, node: int) -> None: ...
    def resume(self, node: int) -> None: ...
    def start(self, node: int, rejoin: bool) -> None: ...
    def stop(self, node: int) -> None: ...
    def theirs(self) -> set[int]:
        """
        The nodes that are somebody else's.
        """
    def up(self, rejoin: collections.abc.Set[int], patience: float) -> None: ...
    def wait_until_serving(self, patience: float) -> None: ...
    def wipe(self, node: int) -> None: ...

class Simulation:
    """
    A simulated cluster; its plan is JSON, its times are seconds.
    """
    def __init__(self, plan: str, events: bool) -> None: ...
    def apply(self, at: float | None, fault: str) -> None: ...
    def blocks(self) -> list[typing.Any]: ...
    def failure(self) -> str: ...
    def faults(self) -> list[typing.Any]: ...
    def finish(self) -> str: ...
    def heights(self) -> dict[str, typing.Any]: ...
    def keys_of(self, node: int) -> dict[str, typing.Any]: ...
    def now(self) -> float: ...
    def operations(self) -> dict[str, typing.Any]: ...
    def outcome_of(self, place: int) -> tuple[typing.Any, ...]: ...
    def plan(self) -> str: ...
    def request(self, node: int, kind: str, key: bytes, value: bytes, patience: float) -> int: ...
    def run_until(self, until: float, interval: float) -> bool: ...
    def status(self, node: int) -> dict[str, typing.Any]: ...
    def step(self, until: float) -> bool: ...
    def take_events(self) -> list[typing.Any]: ...
    def trace_hash(self) -> int: ...
    def turns(self) -> list[typing.Any]: ...

def await_waiters(seconds: float) -> bool:
    """
    Forbids waits to other threads, and waits for theirs; whether none is left.
    """

def draw_plan(seed: int) -> str:
    """
    What a seed stands for, as JSON.
    """

def find_daemon() -> str:
    """
    The path of paxledgerd: on PATH.
    """

def read_configuration(file: os.PathLike[str] | str | bytes) -> dict[str, typing.Any]:
    """
    The content of a cluster.yaml.
    """

__version__: str = "0.1.0"
