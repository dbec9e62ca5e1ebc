"""Faults that undo themselves.

Each fault that is injected is a `Fault`. On every link the faults that are there at the same time
add up, and undoing one leaves the others: what a link suffers is always the sum of those that have
not been undone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from paxledger._control import Control
from paxledger.errors import BadRequest, Error, Unauthorized

Link = tuple[int, int]
_DELAY_MS_MAX = 60_000.0


@dataclass(frozen=True, repr=False)
class LinkEffect:
    """What happens to the messages of one direction of a link.

    Attributes:
        block: Nothing passes.
        drop: The probability that a message is lost.
        delay_ms: How much later each message arrives.
        jitter_ms: Up to how much more than that, uniformly.
        duplicate: The probability that a message arrives twice.
        reorder: The probability that a message is overtaken by the next one.

    Example:
        >>> with cluster.drop(1, 2, 0.25):
        ...     cluster.link_faults()[1, 2].drop
        0.25
    """

    block: bool = False
    drop: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0

    def __add__(self, other: LinkEffect) -> LinkEffect:
        """Both at once, as if a message met one after the other."""
        return LinkEffect(
            self.block or other.block,
            _either(self.drop, other.drop),
            min(self.delay_ms + other.delay_ms, _DELAY_MS_MAX),
            min(self.jitter_ms + other.jitter_ms, _DELAY_MS_MAX),
            _either(self.duplicate, other.duplicate),
            _either(self.reorder, other.reorder),
        )

    def __repr__(self) -> str:
        return f"<LinkEffect: {self}>"

    def __str__(self) -> str:
        jitter = f" + up to {self.jitter_ms:g} ms" if self.jitter_ms else ""
        parts = [
            "blocked" if self.block else "",
            f"drop {self.drop:.3g}" if self.drop else "",
            f"delay {self.delay_ms:g} ms{jitter}" if self.delay_ms or self.jitter_ms else "",
            f"duplicate {self.duplicate:.3g}" if self.duplicate else "",
            f"reorder {self.reorder:.3g}" if self.reorder else "",
        ]
        return ", ".join(filter(None, parts)) or "none"


NONE = LinkEffect()


def _either(p: float, q: float) -> float:
    """The probability of at least one of two independent events."""
    return 1 - (1 - p) * (1 - q) if p and q else p or q


class Fault:
    """A fault that was injected; as a context manager it is undone at the end.

    Made by the methods of Cluster and Node. Undoing it leaves every other fault in place; undoing
    it twice, or after `heal`, does nothing.

    Attributes:
        kind: "link", "partition", "isolate", "drop", "delay", "duplicate", "reorder", "kill" or
            "pause".
        text: What it is, for people.

    Example:
        >>> with cluster.drop(1, 2, 0.5) as fault:
        ...     fault.active
        True
        >>> fault.active
        False
    """

    def __init__(
        self, board: FaultBoard, kind: str, text: str, links: Mapping[Link, LinkEffect], node: int
    ) -> None:
        self.kind = kind
        self.text = text
        self._board = board
        self._links = dict(links)
        self._node = node
        self._pid: int | None = None  # of the process that is paused

    @property
    def active(self) -> bool:
        """Whether it still has an effect.

        Example:
            >>> fault = cluster.fail_link(1, 2)
            >>> cluster.fix_link(1, 2)
            >>> fault.active
            False
        """
        return self in self._board.current()

    @property
    def links(self) -> dict[Link, LinkEffect]:
        """What it does to which direction of a link, as {(from, to): effect}.

        Example:
            >>> with cluster.fail_link(1, 2, one_way=True) as fault:
            ...     [f"{a} to {b}: {effect}" for (a, b), effect in fault.links.items()]
            ['1 to 2: blocked']
        """
        return dict(self._links)

    @property
    def node(self) -> int | None:
        """The node that was killed or paused, or None for a fault of links.

        Example:
            >>> with cluster.fail_node(3) as fault:
            ...     fault.node
            3
        """
        return self._node or None

    def undo(self) -> None:
        """Takes the fault back, and nothing else.

        Raises:
            Error: The nodes do not obey, or a killed node does not start again.

        Example:
            >>> fault = cluster.delay(1, 2, 0.01)
            >>> fault.undo()
            >>> fault.active
            False
        """
        self._board.undo(self)

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.undo()

    def __repr__(self) -> str:
        return f"<paxledger.Fault: {self.text}{'' if self.active else ' (undone)'}>"


class FaultBoard:
    """The faults of one cluster that were injected through this object and are in effect.

    Invariant: what the nodes are told of a link is the sum of what was there before the first fault
    of this board, `_before`, and of the active faults.

    Threads: any; one change at a time.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._lock = threading.RLock()
        self._before: dict[Link, LinkEffect] = {}
        self.active: list[Fault] = []

    def current(self) -> list[Fault]:
        """The active faults, without those that somebody else has ended.

        A pause ends with its process, and when anybody lets that go on.
        """
        active = list(self.active)
        if self._control.closed or self._control.forked:
            return active
        if not any(fault.kind == "pause" for fault in active):
            return active
        processes = self._control.processes()
        return [
            fault
            for fault in active
            if fault.kind != "pause" or processes[fault._node] == ("paused", fault._pid)
        ]

    # ---- links

    def add(self, kind: str, text: str, links: Mapping[Link, LinkEffect]) -> Fault:
        """Injects a fault of links. Nothing is changed if a node refuses."""
        self._control.check_usable()
        if not self._control.configuration["fault_injection"]:
            raise Unauthorized(
                f"the nodes disturb their links only where {self._control.file} says "
                "`fault_injection: true`; add that line and restart the nodes"
            )
        fault = Fault(self, kind, text, links, 0)
        with self._lock:
            self._remember(links)
            self.active.append(fault)
            try:
                self._tell(links)
            except BaseException:
                self.active.remove(fault)
                with contextlib.suppress(Error):
                    self._tell(links)
                raise
        return fault

    def fix(self, links: Iterable[Link]) -> None:
        """Makes directions of links well again, whatever made them ill."""
        links = list(links)
        with self._lock:
            for link in links:
                self._before[link] = NONE
            for fault in list(self.active):
                for link in links:
                    fault._links.pop(link, None)
                if not fault._links and not fault._node:
                    self.active.remove(fault)
            self._tell(links)

    def clear(self) -> None:
        """All faults are gone."""
        with self._lock:
            self.active.clear()
            self._before.clear()

    def effects(self) -> dict[Link, LinkEffect]:
        """What every disturbed link suffers, whoever has ordered it."""
        return {
            (each["from"], each["to"]): effect
            for each in self._control.core.faults()["links"]
            if (effect := _effect_of(each)) != NONE
        }

    def _remember(self, links: Iterable[Link]) -> None:
        present = self.effects()
        touched = {link for fault in self.active for link in fault._links}
        for link in links:
            if link not in touched:
                self._before[link] = present.get(link, NONE)

    def _tell(self, links: Iterable[Link]) -> None:
        orders = []
        for link in links:
            effect = self._before.get(link, NONE)
            for fault in self.active:
                effect = effect + fault._links.get(link, NONE)
            orders.append(
                (
                    *link,
                    effect.block,
                    effect.drop,
                    effect.delay_ms,
                    effect.jitter_ms,
                    effect.duplicate,
                    effect.reorder,
                )
            )
        if orders:
            self._control.core.inject(orders)

    # ---- nodes

    def kill(self, node: int) -> Fault:
        """Kills a node; undoing it starts the node, unless it runs again already."""
        return self._do(
            Fault(self, "kill", f"node {node} killed", {}, node), self._control.core.kill
        )

    def pause(self, node: int) -> Fault:
        """Pauses a node; undoing it resumes the node, unless another fault holds it."""
        state = self._control.processes()[node][0]
        if state == "stopped":
            raise BadRequest(f"node {node} does not run, so it cannot be paused")
        return self._do(
            Fault(self, "pause", f"node {node} paused", {}, node), self._control.core.pause
        )

    def _do(self, fault: Fault, action: Callable[[int], object]) -> Fault:
        with self._lock:
            action(fault._node)
            fault._pid = self._control.processes()[fault._node][1]
            # A process that is no more is not paused any longer.
            self.active = [*self.current(), fault]
        return fault

    def node_runs(self, node: int) -> None:
        """The node was started or resumed: nothing of that kind is left to be undone."""
        with self._lock:
            self.active = [fault for fault in self.active if fault._node != node]

    # ---- undoing

    def undo(self, fault: Fault) -> None:
        """Takes back a fault; nothing if it is not in effect."""
        with self._lock:
            if fault not in self.active or self._control.closed or self._control.forked:
                return
            ended = fault not in self.current()
            self.active.remove(fault)
            if ended:
                return
            try:
                if fault._node:
                    self._bring_back(fault)
                else:
                    self._tell(fault._links)
            except BaseException:
                # It may be tried again.
                self.active.append(fault)
                raise

    def _bring_back(self, fault: Fault) -> None:
        node = fault._node
        state = self._control.processes()[node][0]
        if fault.kind == "kill" and state == "stopped":
            with self._control.starting() as core:
                core.start(node, False)
        if fault.kind == "pause" and state == "paused" and not self._held(node):
            self._control.core.resume(node)

    def _held(self, node: int) -> bool:
        return any(fault._node == node and fault.kind == "pause" for fault in self.current())


def _effect_of(link: Mapping[str, Any]) -> LinkEffect:
    return LinkEffect(
        link["block"],
        link["drop"],
        link["delay_ms"],
        link["jitter_ms"],
        link["duplicate"],
        link["reorder"],
    )


def check_one_way(one_way: bool) -> None:
    """Raises TypeError for what is neither True nor False: any text would count as true."""
    if not isinstance(one_way, bool):
        raise TypeError(f"one_way is True or False, not {one_way!r}")


def both_ways(a: int, b: int, effect: LinkEffect, one_way: bool) -> dict[Link, LinkEffect]:
    """A fault of the link from a to b, and of that from b to a unless `one_way`."""
    if a == b:
        raise BadRequest(f"a link leads from one node to another one, not from {a} to {b}")
    return {(a, b): effect} if one_way else {(a, b): effect, (b, a): effect}


def between_groups(
    groups: Iterable[Iterable[int]], effect: LinkEffect, one_way: bool
) -> dict[Link, LinkEffect]:
    """A fault of all links between nodes of different groups.

    Nodes that share a group are joined even if they are in different ones as well. If `one_way`,
    only what earlier groups send to later ones is concerned.
    """
    listed = [frozenset(group) for group in groups]
    links = {}
    for earlier, group in enumerate(listed):
        for later in listed[earlier + 1 :]:
            for a in sorted(group):
                for b in sorted(later):
                    if a == b or any({a, b} <= each for each in listed):
                        continue
                    links[a, b] = effect
                    if not one_way:
                        links[b, a] = effect
    return links
