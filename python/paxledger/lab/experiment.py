"""Runs a workload against a cluster while a schedule of faults plays, and records everything."""

from __future__ import annotations

import platform
import secrets
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from paxledger import __version__
from paxledger.cluster import Cluster
from paxledger.errors import ClosedError, Error
from paxledger.lab.driver import Driver
from paxledger.lab.player import Player
from paxledger.lab.recording import OPERATIONS_MAX, Clock, OperationRecord, Recording
from paxledger.lab.result import Result
from paxledger.lab.sampler import Sampler
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.settings import flag_of, number_of, whole_of
from paxledger.lab.tables import faults_table, heights_table, leaders_table, operations_table
from paxledger.lab.workload import Workload

if TYPE_CHECKING:
    from paxledger import aio

SEED_MAX = (1 << 64) - 1

_LOOK_S = 0.05
# So long an interruption waits for what is under way to be written down.
_BREAK_OFF_S = 0.05


class ExperimentError(Error):
    """Actions of the schedule failed, so that it was not the experiment that was asked for.

    Attributes:
        result: What was found nevertheless.
    """

    code = "experiment"

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


class ExperimentWarning(UserWarning):
    """Something about an experiment that its reader must know; it is in its summary too."""


class Experiment:
    """A workload, a schedule of faults, and a cluster that runs.

    The cluster is left as the schedule has left it; `cluster.heal()` mends what is still broken.

    Args:
        cluster: The cluster; it must run.
        workload: What clients do; a list of workloads runs side by side, each with its own client.
        schedule: What is broken when; None for nothing.
        duration: Seconds in which operations begin. Those under way at the end are waited for.
        seed: From which keys, kinds, values and random targets are drawn, a whole number from 0 to
            2^64 - 1; None for a new one, which is in the result.
        interval: Seconds from one question for the nodes' state to the next.
        operations_max: When so many operations are recorded, the workload ends. One takes about 60
            bytes.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its bounds, or the schedule names nodes that there are
            not, or times after the end.
        ClosedError: The cluster was closed.

    Example:
        >>> experiment = Experiment(cluster, Puts(rate=100), duration=0.5, seed=7)
        >>> result = experiment.run(progress=False)
        >>> result.operations["outcome"].unique().tolist()
        ['ok']
    """

    def __init__(
        self,
        cluster: Cluster,
        workload: Workload | Sequence[Workload],
        schedule: Schedule | Iterable[Schedule | Step] | None = None,
        *,
        duration: float = 10.0,
        seed: int | None = None,
        interval: float = 0.1,
        operations_max: int = OPERATIONS_MAX,
    ) -> None:
        if not isinstance(cluster, Cluster):
            raise TypeError(f"cluster is a paxledger.Cluster, not {cluster!r}")
        self.cluster = cluster
        self.workloads = _workloads_of(workload)
        self.schedule = Schedule.of(schedule)
        self.duration = number_of(duration, "duration", 0, 86400, "seconds", above=True)
        self.seed = secrets.randbits(32)
        if seed is not None:
            self.seed = whole_of(seed, "seed", 0, SEED_MAX)
        self.interval = number_of(interval, "interval", 0.01, 60, "seconds")
        self.operations_max = whole_of(operations_max, "operations_max", 1, 1 << 40)
        self.result: Result | None = None
        self._check()

    def _check(self) -> None:
        self._check_open()
        for each in self.workloads:
            asked = getattr(each, "node", None)  # of the reads, where the workload has that
            named = {*(each.nodes or ()), *(() if asked is None else (asked,))}
            unknown = named - set(self.cluster.ids)
            if unknown:
                raise ValueError(
                    f"{each!r} names nodes {sorted(unknown)}; the cluster has {self.cluster.ids}"
                )
        names = [each.name for each in self.workloads]
        if len(set(names)) < len(names):
            raise ValueError(f"workloads need different names (name=…), not {names}")
        self.schedule.check(self.cluster.ids, self.duration)

    def _check_open(self) -> None:
        if self.cluster.closed:
            raise ClosedError(
                f"the cluster {self.cluster.name!r} is closed; an experiment needs one that runs"
            )

    def run(self, progress: bool = True, strict: bool = True) -> Result:
        """Runs it, and returns what was found.

        Ctrl-C ends it at once; what was found until then is in `self.result`. An action of the
        schedule that is under way, such as `heal`, cannot be taken back: it is recorded as
        interrupted, and goes on by itself until it is done or the cluster is closed.

        Args:
            progress: Whether to show a progress bar.
            strict: Whether a failed action of the schedule is an exception at the end, which has
                the result; otherwise it is a warning.

        Raises:
            ExperimentError: An action of the schedule failed.
            ClosedError: The cluster was closed.
            Error: The workload could not begin, because for 10 seconds the cluster did not serve.

        Example:
            >>> schedule = at(0.2).pause("follower", lasting=0.2)
            >>> experiment = Experiment(cluster, Mixed(concurrency=2), schedule, duration=0.6)
            >>> experiment.run(progress=False).faults["action"].tolist()
            ['pause', 'undo']
        """
        flag_of(progress, "progress")
        flag_of(strict, "strict")
        self._check_open()
        run = _Run(self, progress)
        try:
            run.play()
        finally:
            self.result = run.result()
        result = self.result
        failed = result.summary().failed
        if failed and strict:
            raise ExperimentError(
                f"{len(failed)} of {len(result.faults)} actions failed: {failed[0]} "
                "(the exception's .result has what was found nevertheless)",
                result,
            )
        for line in (*failed, *result.metadata["notes"]):
            warnings.warn(line, ExperimentWarning, stacklevel=2)
        return result

    def __repr__(self) -> str:
        return (
            f"<paxledger.lab.Experiment: {self.workloads!r}, {self.schedule!r}, "
            f"{self.duration:g} s, seed {self.seed}>"
        )


def _workloads_of(source: object) -> list[Workload]:
    workloads: list[Workload] = []
    for each in source if isinstance(source, (list, tuple)) else [source]:
        if not isinstance(each, Workload):
            given = f"the class {each.__name__}" if isinstance(each, type) else repr(each)
            raise TypeError(
                f"workload is a Workload, e.g. Mixed(rate=100), or a list of them, not {given}"
            )
        workloads.append(each)
    if not workloads:
        raise ValueError("workload is an empty list; expected at least one, e.g. Mixed(rate=100)")
    return workloads


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar that moves often enough for tqdm not to watch over it by a thread that stays."""

    monitor_interval = 0


class _Run:
    """One run: its threads, and what they write down."""

    def __init__(self, experiment: Experiment, progress: bool) -> None:
        self._experiment = experiment
        self._cluster = experiment.cluster
        self._recording = Recording(OperationRecord(experiment.operations_max))
        self._clock = Clock()
        self._stop = threading.Event()
        self._begun_at = ""
        self._length: float | None = None  # of the run, if it ended early
        self._interrupted = False
        self._bar = _Bar(
            total=experiment.duration,
            disable=not progress,
            unit="s",
            bar_format="{l_bar}{bar}| {n:.1f}/{total:g} s {postfix}",
        )
        self._drivers = [self._driver(number) for number in range(len(experiment.workloads))]
        self._player = Player(
            self._cluster,
            experiment.schedule,
            experiment.duration,
            Random(f"{experiment.seed}/schedule"),
            self._clock,
            self._recording.faults,
            self._stop,
            self._tell,
        )
        self._threads: list[Driver | Player] = [*self._drivers, self._player]
        doors = {node.id: node.http for node in self._cluster.nodes}
        self._sampler = Sampler(doors, experiment.interval, self._clock, self._recording.samples)

    def _driver(self, number: int) -> Driver:
        workload = self._experiment.workloads[number]
        return Driver(
            self._connect(number),
            workload,
            Random(f"{self._experiment.seed}/workload/{number}"),
            self._recording.operations,
            self._clock,
            self._experiment.duration,
            self._stop,
        )

    def _connect(self, number: int) -> Callable[[], aio.Client]:
        workload = self._experiment.workloads[number]
        outstanding = max(workload.outstanding_max, workload.concurrency, 256)

        def connect() -> aio.Client:
            options: dict[str, Any] = {
                "codec": workload.codec,
                "deadline": workload.deadline,
                "outstanding_max": outstanding,
            }
            if workload.nodes is None:
                return self._cluster.aclient(**options)
            from paxledger import aio

            doors = {node: self._cluster.node(node).endpoint for node in workload.nodes}
            return aio.connect_nodes(doors, cluster=self._cluster.name, **options)

        return connect

    def _tell(self, line: str) -> None:
        if not self._bar.disable:
            self._bar.write(line, file=sys.stderr)

    # --- the run

    def play(self) -> None:
        """Runs everything to its end. Raises what made it impossible."""
        try:
            for driver in self._drivers:
                driver.start()
            self._sampler.start()
            self._player.start()
            for driver in self._drivers:
                while not driver.ready.wait(_LOOK_S):
                    pass
            if not self._stop.is_set():
                self._begun_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                self._clock.start()
                self._follow()
        except BaseException:
            self._interrupted = True
            self._length = self._clock.now() if self._clock.started.is_set() else 0.0
            self._break_off()
            raise
        finally:
            self._end()
        for each in self._threads:
            if each.failure is not None:
                raise each.failure

    def _break_off(self) -> None:
        """Ends everything without waiting for answers, for farewells or for slow actions."""
        self._stop.set()
        for driver in self._drivers:
            driver.abort()
        until = time.monotonic() + _BREAK_OFF_S
        for driver in self._drivers:
            driver.settled.wait(max(0.0, until - time.monotonic()))
        self._player.abandon(max(0.0, until - time.monotonic()))

    def _follow(self) -> None:
        while any(each.alive() for each in self._threads):
            for each in self._threads:
                each.join(_LOOK_S / len(self._threads))
            self._show()
        if self._recording.operations.full:
            self._length = max(driver.last_start for driver in self._drivers)

    def _show(self) -> None:
        now = min(self._clock.now(), self._experiment.duration)
        operations = self._recording.operations
        text = f"{len(operations):,} operations"
        if operations.errors:
            text += f", {operations.errors:,} errors"
        if self._recording.faults:
            text += f", {self._recording.faults[-1].text}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(now - self._bar.n)

    def _end(self) -> None:
        """Ends every thread; after an interruption those that take longer end by themselves."""
        self._stop.set()
        try:
            if not self._interrupted:
                for each in self._threads:
                    each.join()
        finally:
            self._sampler.stop()
            self._bar.close()

    # --- what it has found

    def result(self) -> Result:
        """Returns everything that was recorded until now."""
        recording = self._recording
        step = self._experiment.interval
        return Result(
            operations=operations_table(recording.operations),
            faults=faults_table(recording.faults),
            leaders=leaders_table(recording.samples, step),
            heights=heights_table(recording.samples),
            metadata=self._metadata(),
        )

    def _metadata(self) -> dict[str, Any]:
        experiment = self._experiment
        notes = []
        if self._interrupted:
            notes.append("the experiment was interrupted")
        if self._recording.operations.full:
            notes.append(
                f"the workload ended early: {experiment.operations_max:,} operations are recorded "
                "(operations_max)"
            )
        length = experiment.duration if self._length is None else self._length
        return {
            "seed": experiment.seed,
            "duration": min(max(length, 0.001), experiment.duration),
            "interval": experiment.interval,
            "begun_at": self._begun_at,
            "workloads": [each.describe() for each in experiment.workloads],
            "schedule": experiment.schedule.to_list(),
            "schedule_text": repr(experiment.schedule),
            "cluster": self._cluster.name,
            "nodes": list(self._cluster.ids),
            "configuration": Path(self._cluster.file).read_text(encoding="utf-8"),
            "messages": dict(self._recording.operations.first_messages),
            "notes": notes,
            "versions": {
                "paxledger": __version__,
                "python": platform.python_version(),
                "pandas": pd.__version__,
            },
        }
