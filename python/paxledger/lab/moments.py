"""The vocabulary of schedules: `at(2.0).kill("leader")`, `every(3.0).pause("follower")`, …"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.settings import flag_of, number_of, text_of
from paxledger.lab.targets import REST, Group, Target, group_of, pair_of, seconds_of, target_of

if TYPE_CHECKING:
    from paxledger.cluster import Cluster


class Moment:
    """A time, or times, that wait for what is to happen then. Made by `at` and `every`.

    Each method returns a `Schedule`. `lasting` is after how many seconds the fault is undone; it
    stays without it, until `heal` or whatever else mends it.
    """

    def __init__(
        self, first: float, interval: float | None = None, until: float | None = None
    ) -> None:
        self._first = first
        self._interval = interval
        self._until = until

    def _step(
        self,
        action: str,
        arguments: tuple[Any, ...] = (),
        options: Mapping[str, Any] | None = None,
        *,
        lasting: float | None = None,
        function: Callable[[Cluster], object] | None = None,
    ) -> Schedule:
        if lasting is not None:
            lasting = seconds_of(lasting, "lasting", least=0.001)
        given = {
            name: value for name, value in (options or {}).items() if value not in (None, False)
        }
        step = Step(
            first=self._first,
            interval=self._interval,
            until=self._until,
            action=action,
            arguments=arguments,
            options=given,
            lasting=lasting,
            function=function,
        )
        return Schedule([step])

    # --- nodes

    def kill(self, node: Target, *, lasting: float | None = None) -> Schedule:
        """kill -9: the process is gone at once; its disk stays.

        Example:
            >>> at(2).kill("leader", lasting=1.5)
            at(2.0).kill('leader', lasting=1.5)
        """
        return self._step("kill", (target_of(node),), lasting=lasting)

    def fail_node(self, node: Target, *, lasting: float | None = None) -> Schedule:
        """The same as `kill`, by the name that it has among the cluster's faults.

        Example:
            >>> at(2).fail_node(3)
            at(2.0).fail_node(3)
        """
        return self._step("fail_node", (target_of(node),), lasting=lasting)

    def fix_node(self, node: Target) -> Schedule:
        """Starts a killed node, or resumes a paused one; "random" takes one of those.

        Example:
            >>> at(2).fix_node(3)
            at(2.0).fix_node(3)
        """
        return self._step("fix_node", (target_of(node),))

    def pause(self, node: Target, *, lasting: float | None = None) -> Schedule:
        """SIGSTOP: the process stands still, its connections stay open.

        Example:
            >>> at(2).pause("leader", lasting=1)
            at(2.0).pause('leader', lasting=1.0)
        """
        return self._step("pause", (target_of(node),), lasting=lasting)

    def resume(self, node: Target) -> Schedule:
        """SIGCONT: a paused process goes on; "random" takes a paused one.

        Example:
            >>> at(3).resume(1)
            at(3.0).resume(1)
        """
        return self._step("resume", (target_of(node),))

    def stop(self, node: Target, *, lasting: float | None = None) -> Schedule:
        """SIGTERM: the node ends in good order.

        Example:
            >>> at(2).stop("follower")
            at(2.0).stop('follower')
        """
        return self._step("stop", (target_of(node),), lasting=lasting)

    def start(self, node: Target, *, rejoin: bool = False) -> Schedule:
        """Starts a stopped node; after `wipe` with rejoin=True. "random" takes a stopped one.

        Example:
            >>> at(3).start(2, rejoin=True)
            at(3.0).start(2, rejoin=True)
        """
        return self._step("start", (target_of(node),), {"rejoin": flag_of(rejoin, "rejoin")})

    def restart(self, node: Target) -> Schedule:
        """Stops a node in good order and starts it again.

        Example:
            >>> every(5, until=20).restart("random")
            every(5.0, until=20.0).restart('random')
        """
        return self._step("restart", (target_of(node),))

    def wipe(self, node: Target) -> Schedule:
        """Removes the directory of a stopped node, as if its disk were lost.

        Example:
            >>> at(2).stop(3) + at(2.5).wipe(3) + at(3).start(3, rejoin=True)
            at(2.0).stop(3) + at(2.5).wipe(3) + at(3.0).start(3, rejoin=True)
        """
        return self._step("wipe", (target_of(node),))

    # --- links

    def fail_link(
        self, a: Target, b: Target, *, one_way: bool = False, lasting: float | None = None
    ) -> Schedule:
        """Nothing passes between two nodes; with one_way, nothing from a to b.

        Example:
            >>> at(1).fail_link("leader", "follower", one_way=True)
            at(1.0).fail_link('leader', 'follower', one_way=True)
        """
        options = {"one_way": flag_of(one_way, "one_way")}
        return self._step("fail_link", pair_of(a, b), options, lasting=lasting)

    def fix_link(self, a: Target, b: Target, *, one_way: bool = False) -> Schedule:
        """Takes back every fault of a link.

        Example:
            >>> at(2).fix_link(1, 2)
            at(2.0).fix_link(1, 2)
        """
        return self._step("fix_link", pair_of(a, b), {"one_way": flag_of(one_way, "one_way")})

    def partition(
        self, *groups: Group, one_way: bool = False, lasting: float | None = None
    ) -> Schedule:
        """Cuts all links between the groups; "rest" stands for all nodes that no group names.

        With one_way, only what a group sends to a later one is lost.

        Example:
            >>> at(2).partition(["leader", "follower"], "rest", lasting=3)
            at(2.0).partition(['leader', 'follower'], ['rest'], lasting=3.0)
        """
        if len(groups) < 2:
            raise ValueError("a partition has at least two groups, e.g. partition([1, 2], 'rest')")
        checked = tuple(group_of(group) for group in groups)
        if sum(REST in group for group in checked) > 1:
            raise ValueError('only one group can be the "rest"')
        options = {"one_way": flag_of(one_way, "one_way")}
        return self._step("partition", checked, options, lasting=lasting)

    def isolate(
        self, node: Target, *, one_way: str | None = None, lasting: float | None = None
    ) -> Schedule:
        """Cuts all links of a node: "in" only what it would hear, "out" what it would say.

        Example:
            >>> at(2).isolate("leader", one_way="in")
            at(2.0).isolate('leader', one_way='in')
        """
        if one_way not in (None, "in", "out"):
            raise ValueError(f'one_way is "in", "out" or None, not {one_way!r}')
        return self._step("isolate", (target_of(node),), {"one_way": one_way}, lasting=lasting)

    def drop(
        self,
        a: Target,
        b: Target,
        probability: float,
        *,
        one_way: bool = False,
        lasting: float | None = None,
    ) -> Schedule:
        """Loses messages of a link with a probability.

        Example:
            >>> at(2).drop(1, 2, probability=0.1)
            at(2.0).drop(1, 2, probability=0.1)
        """
        return self._loss("drop", a, b, probability, one_way, lasting)

    def duplicate(
        self,
        a: Target,
        b: Target,
        probability: float,
        *,
        one_way: bool = False,
        lasting: float | None = None,
    ) -> Schedule:
        """Sends messages of a link twice with a probability.

        Example:
            >>> at(2).duplicate(1, 2, probability=0.1).steps[0].action
            'duplicate'
        """
        return self._loss("duplicate", a, b, probability, one_way, lasting)

    def reorder(
        self,
        a: Target,
        b: Target,
        probability: float,
        *,
        one_way: bool = False,
        lasting: float | None = None,
    ) -> Schedule:
        """Lets later messages of a link overtake with a probability.

        Example:
            >>> at(2).reorder(1, 2, probability=0.1).steps[0].action
            'reorder'
        """
        return self._loss("reorder", a, b, probability, one_way, lasting)

    def delay(
        self,
        a: Target,
        b: Target,
        seconds: float,
        *,
        jitter: float = 0.0,
        one_way: bool = False,
        lasting: float | None = None,
    ) -> Schedule:
        """Holds messages of a link back for so many seconds, and a random part of `jitter`.

        Example:
            >>> at(2).delay("leader", "follower", 0.05, jitter=0.01).steps[0].options["jitter"]
            0.01
        """
        options = {
            "seconds": seconds_of(seconds, "a delay"),
            "jitter": seconds_of(jitter, "jitter") or None,
            "one_way": flag_of(one_way, "one_way"),
        }
        return self._step("delay", pair_of(a, b), options, lasting=lasting)

    def _loss(
        self,
        action: str,
        a: Target,
        b: Target,
        probability: float,
        one_way: bool,
        lasting: float | None,
    ) -> Schedule:
        options = {
            "probability": number_of(probability, "probability", 0, 1, above=True),
            "one_way": flag_of(one_way, "one_way"),
        }
        return self._step(action, pair_of(a, b), options, lasting=lasting)

    # --- all of it

    def heal(self) -> Schedule:
        """Mends all links, resumes what is paused, starts what was killed; waits until it serves.

        Example:
            >>> at(6).heal()
            at(6.0).heal()
        """
        return self._step("heal")

    def call(self, function: Callable[[Cluster], object], name: str | None = None) -> Schedule:
        """Calls a function with the cluster, for what the vocabulary lacks.

        Example:
            >>> at(1).call(lambda cluster: cluster.node(1).logs(), name="read the log")
            at(1.0).call('read the log')
        """
        if not callable(function):
            raise TypeError(f"call takes a function of the cluster, not {function!r}")
        if name is not None:
            text_of(name, "name")
        text = name or getattr(function, "__name__", "function")
        return self._step("call", (text,), function=function)


def at(time: float) -> Moment:
    """Returns a time at which something is to happen once.

    Args:
        time: Seconds since the workload began.

    Example:
        >>> at(2.0).kill("leader")
        at(2.0).kill('leader')
    """
    return Moment(seconds_of(time, "a time"))


def every(interval: float, until: float | None = None, *, start: float | None = None) -> Moment:
    """Returns times at which something is to happen again and again.

    Args:
        interval: Seconds from one time to the next.
        until: The last possible time; None for the end of the experiment.
        start: The first time; None for `interval`.

    Example:
        >>> every(3.0, until=20).kill("leader") + every(3.0, until=20, start=4.5).heal()
        every(3.0, until=20.0).kill('leader') + every(3.0, until=20.0, start=4.5).heal()
    """
    seconds = seconds_of(interval, "an interval", least=0.001)
    last = None if until is None else seconds_of(until, "until")
    return Moment(seconds if start is None else seconds_of(start, "start"), seconds, last)


# Every word of the vocabulary, and what ends a fault that lasts.
WORDS = (*(name for name in vars(Moment) if not name.startswith("_")), "undo")
