"""What is broken and mended when: schedules of faults.

    at(2.0).kill("leader") + at(4.0).heal()
    every(3.0, until=20).pause("follower", lasting=1.0)

A schedule says what is meant to happen; it needs no cluster. `Experiment` plays it, and records
what did happen. Times are seconds since the workload began.

A node is named by its id, or by the part that it has at that moment: "leader", "follower" (a
running node that does not lead) or "random". Within one action no node is chosen twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paxledger.lab.targets import Target, seconds_of

if TYPE_CHECKING:
    from paxledger.cluster import Cluster


@dataclass(frozen=True)
class Step:
    """One action, once or again and again.

    Attributes:
        first: When it is due, in seconds.
        interval: Seconds from one time to the next; None for an action that happens once.
        until: The last time at which it may be due; None: to the end of the experiment.
        action: A word of the vocabulary, e.g. "kill".
        arguments: What the action is applied to.
        options: Further arguments by name.
        lasting: Seconds after which it is undone by itself; None for never.
        function: What `call` calls.
    """

    first: float
    action: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    interval: float | None = None
    until: float | None = None
    lasting: float | None = None
    function: Callable[[Cluster], object] | None = None

    def __post_init__(self) -> None:
        seconds_of(self.first, "first")
        for name, least in (("interval", 0.001), ("until", 0.0), ("lasting", 0.001)):
            value = getattr(self, name)
            if value is not None:
                seconds_of(value, name, least)

    def times(self, duration: float) -> list[float]:
        """Returns when the action is due in an experiment of so many seconds.

        Example:
            >>> every(2.0, until=6).heal().steps[0].times(duration=10)
            [2.0, 4.0, 6.0]
        """
        if self.interval is None:
            return [self.first]
        last = duration if self.until is None else min(self.until, duration)
        # A little more, so that 0.1 + 0.1 + 0.1 still counts as 0.3.
        count = math.floor((last - self.first) / self.interval + 1e-9) + 1
        times = (round(self.first + number * self.interval, 9) for number in range(max(count, 0)))
        return [time for time in times if time < duration]

    def nodes(self) -> Iterator[Target]:
        """Yields the nodes that the arguments name, as they are written."""
        for argument in self.arguments:
            if isinstance(argument, (int, str)):
                yield argument
            elif isinstance(argument, tuple):
                yield from argument

    def __repr__(self) -> str:
        if self.interval is None:
            moment = f"at({self.first})"
        else:
            moment = f"every({self.interval}"
            if self.until is not None:
                moment += f", until={self.until}"
            if self.first != self.interval:
                moment += f", start={self.first}"
            moment += ")"
        words = [repr(list(each)) if isinstance(each, tuple) else repr(each)
                 for each in self.arguments]  # fmt: skip
        words += [f"{name}={value!r}" for name, value in self.options.items()]
        if self.lasting is not None:
            words.append(f"lasting={self.lasting}")
        return f"{moment}.{self.action}({', '.join(words)})"

    def to_dict(self) -> dict[str, Any]:
        """Returns the step as JSON can hold it."""
        return {
            "first": self.first,
            "interval": self.interval,
            "until": self.until,
            "action": self.action,
            "arguments": [list(a) if isinstance(a, tuple) else a for a in self.arguments],
            "options": dict(self.options),
            "lasting": self.lasting,
        }


class Schedule:
    """Actions and their times. Immutable; `+` joins schedules.

    Example:
        >>> at(2.0).kill("leader") + at(4).heal()
        at(2.0).kill('leader') + at(4.0).heal()
        >>> len(at(2.0).kill("leader") + [at(3).heal(), at(4).heal()])
        3
    """

    def __init__(self, steps: Iterable[Step | Schedule] = ()) -> None:
        if isinstance(steps, str) or not isinstance(steps, Iterable):
            raise TypeError(
                "a schedule is made of at(…) and every(…), e.g. at(2.0).heal() or a list of such, "
                f"not of {steps!r}"
            )
        self.steps: tuple[Step, ...] = tuple(_flattened(steps))

    @classmethod
    def of(cls, source: Schedule | Iterable[Schedule | Step] | None) -> Schedule:
        """Returns a schedule from one, from a list of them, or from None.

        Example:
            >>> Schedule.of([at(1).heal(), at(2).heal()])
            at(1.0).heal() + at(2.0).heal()
        """
        if source is None:
            return cls()
        if isinstance(source, Step):
            return cls([source])
        return source if isinstance(source, Schedule) else cls(source)

    @classmethod
    def from_list(cls, steps: Iterable[Mapping[str, Any]]) -> Schedule:
        """Returns the schedule that `to_list` gave.

        A function of `call` is not saved: its step raises when it is played.

        Example:
            >>> Schedule.from_list(at(2.0).kill("leader").to_list())
            at(2.0).kill('leader')
        """
        return cls(
            Step(
                first=step["first"],
                interval=step["interval"],
                until=step["until"],
                action=step["action"],
                arguments=tuple(
                    tuple(each) if isinstance(each, list) else each for each in step["arguments"]
                ),
                options=dict(step["options"]),
                lasting=step["lasting"],
            )
            for step in steps
        )

    def to_list(self) -> list[dict[str, Any]]:
        """Returns the steps as JSON can hold them.

        Example:
            >>> at(2.0).kill("leader").to_list()[0]["action"]
            'kill'
        """
        return [step.to_dict() for step in self.steps]

    def planned(self, duration: float) -> list[tuple[float, Step]]:
        """Returns every single action with its time, in order.

        Example:
            >>> [time for time, step in every(2.0).heal().planned(duration=5)]
            [2.0, 4.0]
        """
        every_one = [(time, step) for step in self.steps for time in step.times(duration)]
        return sorted(every_one, key=lambda planned: planned[0])

    def check(self, ids: Iterable[int], duration: float) -> None:
        """Raises ValueError for what cannot be played on these nodes in this time.

        Example:
            >>> at(2.0).kill(9).check(ids=[1, 2, 3], duration=5)
            Traceback (most recent call last):
            ValueError: at(2.0).kill(9) names node 9; the cluster has 1, 2, 3
        """
        known = sorted(ids)
        for step in self.steps:
            for node in step.nodes():
                if isinstance(node, int) and node not in known:
                    names = ", ".join(map(str, known))
                    raise ValueError(f"{step!r} names node {node}; the cluster has {names}")
            if not step.times(duration):
                raise ValueError(f"{step!r} never happens: the experiment lasts {duration:g} s")
            if step.first >= duration:
                raise ValueError(
                    f"{step!r} comes too late: the experiment lasts {duration:g} s; "
                    "make it longer with duration="
                )

    def __add__(self, other: Schedule | Iterable[Schedule | Step]) -> Schedule:
        if not isinstance(other, (Schedule, list, tuple)):
            return NotImplemented
        return Schedule([*self.steps, *Schedule.of(other).steps])

    def __radd__(self, other: Iterable[Schedule | Step]) -> Schedule:
        if not isinstance(other, (list, tuple)):
            return NotImplemented
        return Schedule([*Schedule.of(other).steps, *self.steps])

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.steps == other.steps

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        if not self.steps:
            return "Schedule()"
        line = " + ".join(map(repr, self.steps))
        return line if len(line) <= 90 else "(" + "\n + ".join(map(repr, self.steps)) + ")"


def _flattened(steps: Iterable[Step | Schedule]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Schedule):
            yield from step.steps
        elif isinstance(step, Step):
            yield step
        else:
            raise TypeError(
                f"a schedule is made of at(…) and every(…), e.g. at(2.0).heal(), not of {step!r}"
            )
