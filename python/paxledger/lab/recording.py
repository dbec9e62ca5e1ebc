"""What an experiment writes down while it runs: compact, append-only, bounded.

A recorded operation takes about 60 bytes, whatever its key and value. All times are seconds since
the workload began, by the monotonic clock.
"""

from __future__ import annotations

import threading
import time
from array import array
from dataclasses import dataclass, field

OPERATIONS_MAX = 2_000_000


class Clock:
    """Seconds since the workload began; before, they are negative or zero.

    Threads: any; `start` is called once.

    Example:
        >>> clock = Clock()
        >>> clock.start()
        >>> 0 <= clock.now() < 60
        True
    """

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self.started = threading.Event()

    def start(self) -> None:
        """Makes this moment second zero.

        Example:
            >>> Clock().start()
        """
        self._zero = time.monotonic()
        self.started.set()

    def now(self) -> float:
        """Returns the seconds since the start.

        Example:
            >>> Clock().now() < 60
            True
        """
        return time.monotonic() - self._zero


class Words:
    """Numbers words in the order in which they first come."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def code(self, word: str) -> int:
        """Returns the word's number."""
        return self.codes.setdefault(word, len(self.codes))

    def words(self) -> list[str]:
        """Returns all words, in the order of their numbers."""
        return list(self.codes)


class OperationRecord:
    """The operations of all workloads, in the order in which they ended.

    Threads: any number may `add`.

    Example:
        >>> record = OperationRecord(limit=10)
        >>> record.add(0.0, 0.0, 0.1, "put", "k", "ok", 1, 0, "puts")
        True
        >>> len(record)
        1
    """

    def __init__(self, limit: int = OPERATIONS_MAX) -> None:
        self.limit = limit
        self.start = array("d")
        self.begun = array("d")
        self.end = array("d")
        self.kind = array("b")
        self.key = array("l")
        self.outcome = array("b")
        self.revision = array("q")
        self.node = array("q")
        self.workload = array("b")
        self.kinds = Words()
        self.keys = Words()
        self.outcomes = Words()
        self.workloads = Words()
        self.errors = 0
        self.first_messages: dict[str, str] = {}  # of each outcome that is an error
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether no further operation is taken."""
        return len(self.end) >= self.limit

    def add(
        self,
        start: float,
        begun: float,
        end: float,
        kind: str,
        key: str,
        outcome: str,
        revision: int,
        node: int,
        workload: str,
        message: str = "",
    ) -> bool:
        """Notes an operation that has ended; returns False if the record is full."""
        with self._lock:
            if len(self.end) >= self.limit:
                return False
            self.start.append(start)
            self.begun.append(begun)
            self.end.append(end)
            self.kind.append(self.kinds.code(kind))
            self.key.append(self.keys.code(key))
            self.outcome.append(self.outcomes.code(outcome))
            self.revision.append(revision)
            self.node.append(node)
            self.workload.append(self.workloads.code(workload))
            if message:
                self.errors += 1
                self.first_messages.setdefault(outcome, message)
            return True

    def __len__(self) -> int:
        return len(self.end)


@dataclass
class FaultEvent:
    """An action of the schedule that was carried out, or that failed.

    Attributes:
        planned: When it was due.
        start: When it began.
        end: When it was done: what it broke is broken from here on at the latest.
        cleared: When what it broke was mended again; None if never.
        action: A word of the vocabulary.
        target: As the schedule names it.
        nodes: The nodes that this was, in order.
        text: A line for people.
        error: Why it failed; empty if it did not.
        breaks: Whether it breaks something, rather than mends.
    """

    planned: float
    start: float
    end: float
    action: str
    target: str
    nodes: tuple[int, ...] = ()
    text: str = ""
    error: str = ""
    breaks: bool = False
    cleared: float | None = None


@dataclass
class Sample:
    """What a node said of itself at a time; `role` is "unreachable" if it did not answer."""

    time: float
    node: int
    role: str = "unreachable"
    height: int | None = None
    leader: int = 0
    ballot: str = ""
    ready: bool = False


@dataclass
class Recording:
    """Everything that one run writes down."""

    operations: OperationRecord = field(default_factory=OperationRecord)
    faults: list[FaultEvent] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
