"""What happens in the nodes of a cluster while something is done to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from clusters import Paxledger


@dataclass(frozen=True)
class Sample:
    """What one node said at one time. What it does not say is None."""

    at: float  # seconds since the watch began
    node: int
    rss_mib: float | None
    height: int | None = None
    commands: int | None = None  # of clients, decided since the process started
    block_bytes: int | None = None  # written since the process started
    fetched: int | None = None  # blocks of the past that peers sent


class Watch:
    """Asks the nodes again and again, from a thread of its own, as long as the context lasts."""

    def __init__(self, system: Paxledger, interval: float, memory_alone: bool = False) -> None:
        self._system = system
        self._interval = interval
        self._memory_alone = memory_alone
        self._begin = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.samples: list[Sample] = []

    def __enter__(self) -> Watch:
        """Begins."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends."""
        self._end.set()
        self._thread.join()

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begin

    def of(self, node: int) -> list[Sample]:
        """What that node said so far."""
        return [sample for sample in list(self.samples) if sample.node == node]

    def _run(self) -> None:
        while not self._end.is_set():
            for node in self._system.processes:
                self.samples.append(self._sample(node))
            self._end.wait(self._interval)

    def _sample(self, node: int) -> Sample:
        try:
            rss = self._system.processes[node].memory_mib()["rss"]
        except (OSError, KeyError):  # it is dead, or just dying
            rss = None
        status = None if rss is None or self._memory_alone else self._system.status(node)
        if status is None:
            return Sample(self.now, node, rss)
        counters = status["counters"]
        return Sample(
            self.now,
            node,
            rss,
            status["height"],
            counters["commands_decided"],
            counters["block_bytes"],
            counters["catch_up_blocks_received"],
        )


def rate(samples: Sequence[Sample], begin: float, end: float) -> float:
    """Commands per second of one node between two times, by the samples next to them.

    Raises:
        ValueError: fewer than two samples lie there.
    """
    inside = [
        sample for sample in samples if begin <= sample.at <= end and sample.commands is not None
    ]
    if len(inside) < 2:
        raise ValueError(f"{len(inside)} samples between {begin:.2f} and {end:.2f} s")
    first, last = inside[0], inside[-1]
    assert first.commands is not None
    assert last.commands is not None
    return (last.commands - first.commands) / (last.at - first.at)


@dataclass(frozen=True)
class CatchUp:
    """When a node that was behind got what it missed, and how much that was."""

    begin: float  # the last time at which it had not got anything
    end: float  # the first time at which it was no further behind than one sample
    bytes: int  # of blocks, by what the leader wrote

    @property
    def mb_per_second(self) -> float:
        """Megabytes of blocks in a second."""
        return self.bytes / 1e6 / (self.end - self.begin)


def catch_up_of(
    behind: Sequence[Sample], leader: Sequence[Sample], bytes_before: int
) -> CatchUp | None:
    """When a node caught up, by its own samples since it was started and by the leader's.

    It is level once it stands where the leader stood a sample before, as the leader goes on
    meanwhile. `bytes_before` is what the leader had written when the node stopped. None if the node
    is not level yet.
    """
    begin = None
    for before, sample in zip(behind, behind[1:], strict=False):
        if sample.fetched and begin is None:
            begin = before.at
        if begin is None or sample.height is None:
            continue
        known = [one for one in leader if one.at <= before.at and one.height is not None]
        if not known or known[-1].height is None or known[-1].block_bytes is None:
            continue
        if sample.height >= known[-1].height:
            return CatchUp(begin, sample.at, known[-1].block_bytes - bytes_before)
    return None
