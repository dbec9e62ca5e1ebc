"""The faults of a cluster, in the words that the command line uses too."""

from __future__ import annotations

from collections.abc import Iterable

from paxledger._connection import seconds as _seconds
from paxledger._control import Control
from paxledger.errors import BadRequest
from paxledger.faults import (
    Fault,
    FaultBoard,
    LinkEffect,
    between_groups,
    both_ways,
    check_one_way,
)


class Breakable:
    """What can be broken in a cluster, and mended: the half of `Cluster` that is about faults.

    Each method that breaks something returns a `Fault`, which as a context manager undoes itself,
    and only itself, at the end.
    """

    _control: Control
    _board: FaultBoard

    def fail_link(self, a: int, b: int, *, one_way: bool = False) -> Fault:
        """Nothing passes between two nodes any more.

        Args:
            a: A node.
            b: Another one.
            one_way: Only what `a` sends to `b` is lost.

        Returns:
            The fault; as a context manager it is undone at the end.

        Raises:
            Unauthorized: cluster.yaml lacks `fault_injection: true`.

        Example:
            >>> with cluster.fail_link(1, 2):
            ...     len(cluster.faults())
            1
        """
        return self._disturb("link", a, b, LinkEffect(block=True), one_way)

    def fix_link(self, a: int, b: int, *, one_way: bool = False) -> None:
        """Makes the link of two nodes well again, whatever faults it has.

        Args:
            a: A node.
            b: Another one.
            one_way: Only the direction from `a` to `b`.

        Example:
            >>> _ = cluster.fail_link(1, 2)
            >>> cluster.fix_link(1, 2)
            >>> cluster.faults()
            []
        """
        check_one_way(one_way)
        a, b = self._control.node_id(a), self._control.node_id(b)
        self._board.fix(both_ways(a, b, LinkEffect(), one_way))

    def fail_node(self, node: int) -> Fault:
        """Kills a node, as `Node.kill`.

        Example:
            >>> with cluster.fail_node(3):
            ...     cluster.node(3).state
            'stopped'
        """
        return self._board.kill(self._control.node_id(node))

    def fix_node(self, node: int) -> None:
        """Starts a node that is stopped, or resumes one that is paused.

        Example:
            >>> _ = cluster.fail_node(3)
            >>> cluster.fix_node(3)
            >>> cluster.node(3).state
            'running'
        """
        node = self._control.node_id(node)
        if self._control.processes()[node][0] == "paused":
            self._control.core.resume(node)
        else:
            with self._control.starting() as core:
                core.start(node, False)
        self._board.node_runs(node)

    def partition(self, *groups: Iterable[int], one_way: bool = False) -> Fault:
        """Cuts all links between nodes of different groups.

        A single group is cut off from all other nodes. Nodes that share a group are joined even if
        they are in different ones as well; nodes that are in no group keep all their links.

        Args:
            *groups: Node ids.
            one_way: Only what earlier groups send to later ones is lost.

        Example:
            >>> with cluster.partition([1], [2, 3]):
            ...     sorted(cluster.link_faults())
            [(1, 2), (1, 3), (2, 1), (3, 1)]
        """
        check_one_way(one_way)
        listed = [self._group(group) for group in groups]
        if len(listed) == 1:
            listed.append([node for node in self._control.ids if node not in listed[0]])
        links = between_groups(listed, LinkEffect(block=True), one_way)
        if not links:
            raise BadRequest("a partition needs two groups with different nodes")
        arrow = " → " if one_way else " | "
        text = arrow.join(",".join(map(str, group)) for group in listed)
        return self._board.add("partition", f"partition {text}", links)

    def isolate(self, node: int, one_way: str | None = None) -> Fault:
        """Cuts a node off from all others.

        Args:
            node: Its id.
            one_way: "in": it hears nobody, but is heard. "out": it is not heard, but hears.

        Example:
            >>> with cluster.isolate(3, one_way="in"):
            ...     sorted(cluster.link_faults())
            [(1, 3), (2, 3)]
        """
        node = self._control.node_id(node)
        if one_way not in (None, "in", "out"):
            raise BadRequest(f'one_way is "in", "out" or None, not {one_way!r}')
        blocked = LinkEffect(block=True)
        links = {}
        for other in self._control.ids:
            if other == node:
                continue
            if one_way != "out":
                links[other, node] = blocked
            if one_way != "in":
                links[node, other] = blocked
        direction = f" ({one_way})" if one_way else ""
        return self._board.add("isolate", f"isolate {node}{direction}", links)

    def drop(self, a: int, b: int, probability: float, *, one_way: bool = False) -> Fault:
        """Loses messages at random.

        Args:
            a: A node.
            b: Another one.
            probability: Of each message to be lost, 0 to 1.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.drop(1, 2, 0.25):
            ...     str(cluster.link_faults()[2, 1])
            'drop 0.25'
        """
        effect = LinkEffect(drop=_probability(probability))
        return self._disturb("drop", a, b, effect, one_way)

    def delay(
        self, a: int, b: int, seconds: float, *, jitter: float = 0.0, one_way: bool = False
    ) -> Fault:
        """Makes messages late.

        Args:
            a: A node.
            b: Another one.
            seconds: How late, 0 to 60.
            jitter: Up to how much later than that, drawn for each message.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.delay(1, 2, 0.05, jitter=0.01, one_way=True):
            ...     str(cluster.link_faults()[1, 2])
            'delay 50 ms + up to 10 ms'
        """
        effect = LinkEffect(
            delay_ms=_delay(seconds, "delay") * 1000, jitter_ms=_delay(jitter, "jitter") * 1000
        )
        return self._disturb("delay", a, b, effect, one_way)

    def duplicate(self, a: int, b: int, probability: float, *, one_way: bool = False) -> Fault:
        """Delivers messages twice at random.

        Args:
            a: A node.
            b: Another one.
            probability: Of each message to arrive twice, 0 to 1.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.duplicate(1, 2, 0.5) as fault:
            ...     fault.text
            'duplicate 0.5: 1 – 2'
        """
        effect = LinkEffect(duplicate=_probability(probability))
        return self._disturb("duplicate", a, b, effect, one_way)

    def reorder(self, a: int, b: int, probability: float, *, one_way: bool = False) -> Fault:
        """Lets messages be overtaken by later ones at random.

        Args:
            a: A node.
            b: Another one.
            probability: Of each message to be overtaken, 0 to 1.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.reorder(1, 2, 0.5, one_way=True) as fault:
            ...     fault.text
            'reorder 0.5: 1 → 2'
        """
        effect = LinkEffect(reorder=_probability(probability))
        return self._disturb("reorder", a, b, effect, one_way)

    def heal(self, patience: float = 30.0) -> None:
        """Takes back every fault, whoever has injected it, and waits until the cluster serves.

        Clears all links, resumes what was paused and starts what was killed.

        Args:
            patience: Seconds to wait.

        Raises:
            NoQuorum: It does not serve in time.
            SystemFailure: A node ended, with the last lines of its log.

        Example:
            >>> _ = cluster.partition([1], [2, 3])
            >>> cluster.heal()
            >>> cluster.faults()
            []
        """
        try:
            with self._control.starting() as core:
                core.heal(_seconds(patience, "patience"))
        finally:
            if not self._board.effects():
                self._board.clear()

    def faults(self) -> list[Fault]:
        """Returns the faults that were injected through this object and are in effect.

        Example:
            >>> cluster.faults()
            []
        """
        self._control.check_usable()
        return self._board.current()

    def link_faults(self) -> dict[tuple[int, int], LinkEffect]:
        """Returns what every disturbed link suffers in sum, as {(from, to): effect}.

        Faults that others have injected, such as `paxledger fault link`, are among them.

        Example:
            >>> cluster.link_faults()
            {}
        """
        return self._board.effects()

    def _disturb(self, kind: str, a: int, b: int, effect: LinkEffect, one_way: bool) -> Fault:
        check_one_way(one_way)
        a, b = self._control.node_id(a), self._control.node_id(b)
        arrow = "→" if one_way else "–"
        links = both_ways(a, b, effect, one_way)
        return self._board.add(kind, f"{effect}: {a} {arrow} {b}", links)

    def _group(self, group: Iterable[int]) -> list[int]:
        if isinstance(group, (str, bytes, int)) or not isinstance(group, Iterable):
            raise TypeError(f"a group is a list of node ids such as [1, 2], not {group!r}")
        return [self._control.node_id(node) for node in group]


def _probability(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a probability is a number from 0 to 1, not {value!r}")
    if not 0 <= value <= 1:
        raise BadRequest(f"a probability is a number from 0 to 1, not {value:g}")
    return float(value)


def _delay(value: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number of seconds, not {value!r}")
    if not 0 <= value <= 60:
        raise BadRequest(f"{what} is 0 to 60 seconds, not {value:g}")
    return float(value)
