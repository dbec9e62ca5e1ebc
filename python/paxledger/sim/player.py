"""Plays a schedule against a simulated cluster, in its time."""

from __future__ import annotations

import bisect
import math
import threading
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, cast

from paxledger.lab.moments import Moment
from paxledger.lab.player import Player
from paxledger.lab.recording import Clock, FaultEvent
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.targets import Target, seconds_of, target_of

if TYPE_CHECKING:
    from paxledger.cluster import Cluster
    from paxledger.sim.world import World

# What only simulated clusters know. Of these, some break something until they are undone.
_BREAKS = ("crash",)
REQUESTS = ("put", "get", "delete")


class WorldClock(Clock):
    """The time of a simulation."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def now(self) -> float:
        """Returns the simulated seconds since the beginning."""
        return self._now()


class WorldPlayer(Player):
    """Carries out what is due when the world gets there; nothing happens by itself.

    Args:
        world: What is broken.
        seed: Of what the schedule leaves to chance.
        tell: Called with a line about every action that fails.
    """

    def __init__(self, world: World, seed: int, tell: Callable[[str], None]) -> None:
        self.events: list[FaultEvent] = []
        super().__init__(
            cast("Cluster", world),
            Schedule(),
            1.0,
            Random(seed),
            WorldClock(lambda: world.now),
            self.events,
            threading.Event(),
            tell,
        )
        self._latest: Any = None

    def add(self, schedule: Schedule, duration: float) -> None:
        """Puts the actions of a schedule on the agenda; the ones of one time keep their order."""
        for time, step in schedule.planned(duration):
            bisect.insort(self._agenda, (time, step), key=lambda entry: entry[0])

    def due(self) -> float:
        """Returns when the next action is due; infinity if there is none."""
        return self._agenda[0][0] if self._agenda else math.inf

    def turn(self) -> None:
        """Carries out the action that is due next."""
        due, what = self._agenda.pop(0)
        if isinstance(what, Step):
            self._carry_out(due, what)
        else:
            self._undo(due, what)

    def _carry_out(self, due: float, step: Step) -> None:
        super()._carry_out(due, step)
        event = self.events[-1]
        if step.action in REQUESTS and not event.error:
            self.events.pop()  # a request is no fault
        elif step.action in _BREAKS and not event.error:
            event.breaks = True
            self._remember(step, event, self._latest)

    def _act(self, step: Step, arguments: list[Any]) -> Any:
        self._latest = super()._act(step, arguments)
        return self._latest


class WorldMoment(Moment):
    """A time of a world that waits for what is to happen then. Made by `World.at`.

    The words are those of `paxledger.lab.at`, and some that only simulated clusters know. Each
    method puts its action on the world's agenda, and returns it as a `Schedule`.
    """

    def __init__(self, time: float, take: Callable[[Schedule], None]) -> None:
        super().__init__(seconds_of(time, "a time"))
        self._take = take

    def _step(
        self,
        action: str,
        arguments: tuple[Any, ...] = (),
        options: Mapping[str, Any] | None = None,
        *,
        lasting: float | None = None,
        function: Callable[[Any], object] | None = None,
    ) -> Schedule:
        schedule = super()._step(action, arguments, options, lasting=lasting, function=function)
        self._take(schedule)
        return schedule

    def crash(
        self, node: Target, unsynced: str | None = None, *, lasting: float | None = None
    ) -> Schedule:
        """Power loss: what the disk was not told to keep is lost in part.

        Example:
            >>> world = World(seed=1)
            >>> world.at(1).crash("leader", lasting=0.5)
            at(1.0).crash('leader', lasting=0.5)
        """
        options = {} if unsynced is None else {"unsynced": unsynced}
        return self._step("crash", (target_of(node),), options, lasting=lasting)

    def flip_bit(self, node: Target) -> Schedule:
        """One bit of one file of the node flips, by chance.

        Example:
            >>> World(seed=1).at(1).flip_bit(2)
            at(1.0).flip_bit(2)
        """
        return self._step("flip_bit", (target_of(node),))

    def fail_sync(self, node: Target) -> Schedule:
        """The next sync of a file of the node fails, which ends it.

        Example:
            >>> World(seed=1).at(1).fail_sync("leader")
            at(1.0).fail_sync('leader')
        """
        return self._step("fail_sync", (target_of(node),))

    def fail_write(self, node: Target) -> Schedule:
        """The next write of the node fails half done, which ends it.

        Example:
            >>> World(seed=1).at(1).fail_write("leader")
            at(1.0).fail_write('leader')
        """
        return self._step("fail_write", (target_of(node),))

    def full_disk(self, node: Target, seconds: float, room: int = 0) -> Schedule:
        """The disk of the node takes no more than `room` octets for so many seconds.

        Example:
            >>> World(seed=1).at(1).full_disk(2, 0.5)
            at(1.0).full_disk(2, seconds=0.5)
        """
        return self._step(
            "full_disk",
            (target_of(node),),
            {"seconds": seconds_of(seconds, "seconds"), "room": room},
        )

    def slow_disk(self, node: Target, seconds: float) -> Schedule:
        """No write of the node ends for so many seconds.

        Example:
            >>> World(seed=1).at(1).slow_disk(2, 0.1)
            at(1.0).slow_disk(2, seconds=0.1)
        """
        return self._step(
            "slow_disk", (target_of(node),), {"seconds": seconds_of(seconds, "seconds")}
        )

    def clock_jump(self, node: Target, seconds: float) -> Schedule:
        """The wall clock of the node jumps; a negative number is back.

        Example:
            >>> World(seed=1).at(1).clock_jump(2, -3600)
            at(1.0).clock_jump(2, seconds=-3600)
        """
        return self._step("clock_jump", (target_of(node),), {"seconds": seconds})

    def clock_rate(self, node: Target, rate: float) -> Schedule:
        """The clocks of the node run so many times as fast, 0.8 to 1.2.

        Example:
            >>> World(seed=1).at(1).clock_rate(2, 1.1)
            at(1.0).clock_rate(2, rate=1.1)
        """
        return self._step("clock_rate", (target_of(node),), {"rate": rate})

    def put(self, node: Target, key: str | bytes, value: str | bytes) -> Schedule:
        """Somebody asks the node to store something; `World.requests` has the outcome.

        Example:
            >>> World(seed=1).at(1).put("leader", "k", "v")
            at(1.0).put('leader', key='k', value='v')
        """
        return self._step("put", (target_of(node),), {"key": key, "value": value})

    def get(self, node: Target, key: str | bytes) -> Schedule:
        """Somebody asks the node for a value; `World.requests` has the outcome.

        Example:
            >>> World(seed=1).at(1).get(2, "k")
            at(1.0).get(2, key='k')
        """
        return self._step("get", (target_of(node),), {"key": key})

    def delete(self, node: Target, key: str | bytes) -> Schedule:
        """Somebody asks the node to remove a key; `World.requests` has the outcome.

        Example:
            >>> World(seed=1).at(1).delete(2, "k")
            at(1.0).delete(2, key='k')
        """
        return self._step("delete", (target_of(node),), {"key": key})
