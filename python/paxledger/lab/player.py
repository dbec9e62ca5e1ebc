"""Plays a schedule against a cluster, and records what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from paxledger.lab.recording import Clock, FaultEvent
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.targets import REST, ROLES, Target
from paxledger.lab.worker import Worker

if TYPE_CHECKING:
    from paxledger.cluster import Cluster

LEADER_PATIENCE_S = 5.0

_PROCESS_FAULTS = ("kill", "fail_node", "pause", "stop")
_LINK_FAULTS = ("fail_link", "partition", "isolate", "drop", "delay", "duplicate", "reorder")
# In what state a node must be for "random" to mean it; any other action wants a running one.
_STATES = {
    "start": ("stopped",),
    "fix_node": ("stopped", "paused"),
    "resume": ("paused",),
    "wipe": ("stopped",),
}


class TargetError(Exception):
    """No node is what a schedule asked for."""


class Resolver:
    """Finds out which node "leader", "follower" and "random" are right now.

    Args:
        cluster: Whose nodes.
        random: Where chance comes from.
    """

    def __init__(self, cluster: Cluster, random: Random) -> None:
        self._cluster = cluster
        self._random = random

    def find(self, target: Target, action: str, taken: set[int]) -> int:
        """Returns a node that is not in `taken`, and puts it there. Raises TargetError."""
        if isinstance(target, int):
            node = target
        elif target == "leader":
            node = self._leader()
        else:
            node = self._choose(target, action, taken)
        if node in taken:
            raise TargetError(f"the {target} is node {node}, which this action already uses")
        taken.add(node)
        return node

    def _leader(self) -> int:
        # The one that the cluster knows may have been killed a moment ago.
        node = self._cluster.leader()
        if node is not None and self._state(node) == "running":
            return node
        try:
            return self._cluster.wait_for_leader(LEADER_PATIENCE_S)
        except Exception as failure:
            raise TargetError(
                f"there was no leader for {LEADER_PATIENCE_S:g} s: {failure}"
            ) from failure

    def _choose(self, role: str, action: str, taken: set[int]) -> int:
        states = _STATES.get(action, ("running",))
        nodes = [node for node in self._cluster.ids if self._state(node) in states]
        if role == "follower" and "running" in states:
            leader = self._leader()
            nodes = [node for node in nodes if node != leader]
        nodes = [node for node in nodes if node not in taken]
        if not nodes:
            raise TargetError(f"no {' or '.join(states)} node is there to be the {role!r} one")
        return self._random.choice(nodes)

    def _state(self, node: int) -> str:
        return self._cluster.node(node).state


@dataclass
class _Broken:
    """A fault that is in effect, as far as is known."""

    event: FaultEvent
    undo: Callable[[], object]
    still: Callable[[], bool]


class Player:
    """Carries out the actions of a schedule, one after another, in a thread of its own.

    An action that takes long, such as `heal`, delays the ones after it; the record has both times.
    An action that fails is recorded with its error, and the others go on.

    Args:
        cluster: What is broken.
        schedule: What to do when.
        duration: Seconds of the experiment.
        random: Where chance comes from; used by this player alone.
        clock: Whose second zero is waited for.
        events: Where the actions are noted.
        stop: Set it to end early.
        tell: Called with a line about every action that fails, on the player's thread.
    """

    def __init__(
        self,
        cluster: Cluster,
        schedule: Schedule,
        duration: float,
        random: Random,
        clock: Clock,
        events: list[FaultEvent],
        stop: threading.Event,
        tell: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._agenda: list[tuple[float, Step | _Broken]] = list(schedule.planned(duration))
        self._resolver = Resolver(cluster, random)
        self._clock = clock
        self._events = events
        self._stop = stop
        self._tell = tell
        self._broken: list[_Broken] = []
        self._lock = threading.Lock()
        self._under_way: FaultEvent | None = None
        self._abandoned = False
        self.failure: BaseException | None = None
        self._worker = Worker(self._run, "schedule of faults")

    def start(self) -> None:
        """Begins to wait for the first action."""
        self._worker.start()

    def alive(self) -> bool:
        """Whether actions are under way or to come."""
        return self._worker.alive()

    def join(self, timeout: float | None = None) -> None:
        """Waits until the last action is done."""
        self._worker.join(timeout)

    def abandon(self, patience: float) -> None:
        """Ends it. An action that takes longer than `patience` seconds yet goes on by itself.

        It is recorded as one that was interrupted; nothing is recorded any more after that.
        """
        self._stop.set()
        self._worker.join(patience)
        with self._lock:
            self._abandoned = True
            if self._under_way is not None:
                self._under_way.error = "interrupted while it was under way; it went on by itself"
                self._under_way.end = self._clock.now()
                self._events.append(replace(self._under_way))

    def _begin(self, event: FaultEvent) -> None:
        with self._lock:
            self._under_way = event

    def _record(self, event: FaultEvent) -> None:
        with self._lock:
            self._under_way = None
            if not self._abandoned:
                self._events.append(event)

    def _run(self) -> None:
        try:
            self._play()
        except BaseException as failure:
            self.failure = failure
            self._stop.set()

    def _play(self) -> None:
        while self._agenda and not self._stop.is_set():
            if not self._clock.started.wait(0.02):
                continue
            due, what = self._agenda[0]
            wait = due - self._clock.now()
            if wait > 0:
                self._stop.wait(wait)
                continue
            self._agenda.pop(0)
            if isinstance(what, Step):
                self._carry_out(due, what)
            else:
                self._undo(due, what)

    # --- one action

    def _carry_out(self, due: float, step: Step) -> None:
        target = ", ".join(
            " ".join(map(str, each)) if isinstance(each, tuple) else str(each)
            for each in step.arguments
        )
        start = self._clock.now()
        event = FaultEvent(due, start, start, step.action, target, text=step.action)
        self._begin(event)
        fault: Any = None
        try:
            arguments = self._resolved(step)
            event.nodes = _flat(arguments)
            event.text = describe(step, arguments)
            fault = self._act(step, arguments)
        except Exception as failure:
            event.error = f"{type(failure).__name__}: {failure}"
            self._tell(f"{step!r} failed at {self._clock.now():.2f} s: {event.error}")
        event.end = self._clock.now()
        event.breaks = step.action in (*_PROCESS_FAULTS, *_LINK_FAULTS) and not event.error
        self._record(event)
        self._note_cleared()
        if event.breaks:
            self._remember(step, event, fault)

    def _remember(self, step: Step, event: FaultEvent, fault: Any) -> None:
        if step.action == "stop":  # an order, not a fault that the cluster knows of
            node = self._cluster.node(event.nodes[0])
            broken = _Broken(event, node.start, lambda: node.state == "stopped")
        else:
            broken = _Broken(event, fault.undo, lambda: bool(fault.active))
        self._broken.append(broken)
        if step.lasting is not None:
            self._agenda.append((event.end + step.lasting, broken))
            self._agenda.sort(key=lambda entry: entry[0])

    def _undo(self, due: float, broken: _Broken) -> None:
        if broken.event.cleared is not None:
            return  # something else has mended it
        start = self._clock.now()
        event = FaultEvent(due, start, start, "undo", "", broken.event.nodes)
        event.text = f"undo {broken.event.text}"
        self._begin(event)
        try:
            broken.undo()
        except Exception as failure:
            event.error = f"{type(failure).__name__}: {failure}"
            self._tell(f"{event.text} failed at {self._clock.now():.2f} s: {event.error}")
        event.end = self._clock.now()
        self._record(event)
        self._note_cleared()

    def _note_cleared(self) -> None:
        still = []
        for broken in self._broken:
            if broken.still():
                still.append(broken)
            else:
                broken.event.cleared = self._clock.now()
        self._broken = still

    # --- what is meant

    def _resolved(self, step: Step) -> list[Any]:
        taken: set[int] = set()
        # Ids first, then the leader, so that nothing chosen at random takes their place.
        meant: dict[tuple[int, int], int] = {}
        places = [
            (row, column, target)
            for row, argument in enumerate(step.arguments)
            for column, target in enumerate(
                argument if isinstance(argument, tuple) else (argument,)
            )
            if isinstance(target, int) or target in ROLES
        ]
        order = sorted(
            places, key=lambda place: (not isinstance(place[2], int), place[2] != "leader")
        )
        if step.action != "call":
            for row, column, target in order:
                meant[row, column] = self._resolver.find(target, step.action, taken)
        rest = [node for node in self._cluster.ids if node not in taken]
        resolved: list[Any] = []
        for row, argument in enumerate(step.arguments):
            if isinstance(argument, tuple):
                resolved.append(
                    rest if argument == (REST,) else [meant[row, at] for at in range(len(argument))]
                )
            else:
                resolved.append(meant.get((row, 0), argument))
        if any(group == [] for group in resolved):
            raise TargetError("no node is left for the rest")
        return resolved

    def _act(self, step: Step, arguments: list[Any]) -> Any:
        if step.action == "call":
            if step.function is None:
                raise TargetError("the function of a loaded schedule is not known")
            return step.function(self._cluster)
        if step.action in ("kill", "pause", "resume", "start", "stop", "restart", "wipe"):
            return getattr(self._cluster.node(arguments[0]), step.action)(**step.options)
        return getattr(self._cluster, step.action)(*arguments, **step.options)


def _flat(arguments: Iterable[Any]) -> tuple[int, ...]:
    nodes: list[int] = []
    for argument in arguments:
        if isinstance(argument, list):
            nodes.extend(argument)
        elif isinstance(argument, int):
            nodes.append(argument)
    return tuple(nodes)


def describe(step: Step, arguments: list[Any]) -> str:
    """Returns a line for people and pictures about an action and the nodes that it meant.

    Example:
        >>> describe(at(1).kill("leader").steps[0], [3])
        'kill 3 (leader)'
        >>> describe(at(1).partition([1, 2], [3]).steps[0], [[1, 2], [3]])
        'partition 1 2 | 3'
    """
    one_way = step.options.get("one_way")
    if step.action == "partition":
        words = (" > " if one_way else " | ").join(" ".join(map(str, group)) for group in arguments)
    elif step.action in _LINK_FAULTS and step.action != "isolate" or step.action == "fix_link":
        words = f"{arguments[0]}{'>' if one_way else '-'}{arguments[1]}"
    else:
        words = " ".join(map(str, arguments))
        if one_way:
            words += f" {one_way}"
        if step.arguments and step.arguments[0] in ("leader", "follower"):
            words += f" ({step.arguments[0]})"
    if "probability" in step.options:
        words += f" {step.options['probability']:.0%}"
    if "seconds" in step.options:
        words += f" {step.options['seconds'] * 1000:g} ms"
    action = {"fail_node": "kill", "fail_link": "cut", "fix_link": "fix", "fix_node": "fix"}
    return f"{action.get(step.action, step.action)} {words}".strip()
