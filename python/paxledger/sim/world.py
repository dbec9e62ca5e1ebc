"""A simulated cluster that is told what happens, and looked into at any time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from paxledger import _core, views
from paxledger.errors import Timeout as TimeoutError_
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.settings import flag_of, number_of
from paxledger.sim.control import SimulatedBoard, SimulatedControl
from paxledger.sim.faults import WorldFaults
from paxledger.sim.node import Request
from paxledger.sim.observation import Event, WorldObservation
from paxledger.sim.plan import (
    DURATION_S_MAX,
    Network,
    Timing,
    Workload,
    plan_of,
    text_of_plan,
)
from paxledger.sim.player import WorldMoment, WorldPlayer
from paxledger.sim.requests import WorldRequests

if TYPE_CHECKING:
    from paxledger._control import Control

# A run goes on in C++ for about so long at once; Ctrl-C is heard between two such pieces.
_PIECE_S = 0.05


class World(WorldObservation, WorldFaults, WorldRequests):
    """A cluster in one thread and in virtual time. Equal arguments and calls give equal runs.

    Nodes are 1 to `nodes`. Nothing happens until the world is told to `run` or to `step`. The nodes
    are the shipped code; network, disks, clocks and clients are simulated. Everything that
    `Cluster` has to break and to mend is here as well, and some that real machines lack.

    After every event the nodes are held against what the protocol promises. What is found wrong
    ends the run: `failure` says what it was.

    Threads: one at a time; several worlds run side by side, for the GIL is released.

    Args:
        nodes: How many there are, 1 to 9.
        seed: Of everything that is left to chance.
        faults: What goes wrong by chance: "all", or some of "crashes", "kills", "partitions",
            "links", "disks", "pauses", "slow_disks", "clocks", "bit_flips", "disk_errors",
            "full_disks", "tampering" and "forgery". None: only what is told.
        faults_every: At most so many seconds from one such misfortune to the next.
        workload: What clients do; None for no clients.
        timing: The timeouts of the nodes.
        network: What becomes of messages.
        disk: Seconds that a write takes at most.
        interval: Seconds from one look at the heights of all nodes to the next, for `result`.
        events: Whether `events` and `diagram` will be wanted; about 200 bytes for each event.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its bounds.

    Example:
        >>> world = World(nodes=3, seed=1)
        >>> world.at(1.0).partition([1], [2, 3])
        at(1.0).partition([1], [2, 3])
        >>> world.run(until=2.0)
        >>> world.leader() in (2, 3)
        True
    """

    def __init__(
        self,
        nodes: int = 3,
        seed: int = 1,
        *,
        faults: str | Iterable[str] | None = None,
        faults_every: float = 0.5,
        workload: Workload | None = None,
        timing: Timing | None = None,
        network: Network | None = None,
        disk: float = 0.002,
        interval: float = 0.1,
        events: bool = True,
    ) -> None:
        plan = plan_of(
            seed=seed,
            nodes=nodes,
            faults=faults,
            faults_every=faults_every,
            workload=workload or Workload(clients=0),
            timing=timing,
            network=network,
            disk=disk,
        )
        self._begin(json.dumps(plan), interval, events)

    @classmethod
    def from_plan(
        cls, plan: str | Mapping[str, Any], *, interval: float = 0.1, events: bool = True
    ) -> World:
        """Returns the world of a plan, such as `draw_plan` gives, or a stored case.

        Args:
            plan: JSON, or what JSON holds.
            interval: As for `World`.
            events: As for `World`.

        Raises:
            BadRequest: It is no plan; the message names the member that is wrong.

        Example:
            >>> world = World.from_plan({"seed": 7, "nodes": 5})
            >>> world.seed, len(world.ids)
            (7, 5)
        """
        world = cls.__new__(cls)
        world._begin(text_of_plan(plan), interval, events)
        return world

    def _begin(self, plan: str, interval: float, events: bool) -> None:
        self._interval = number_of(interval, "interval", 0.001, 3600, "seconds")
        self._recording = flag_of(events, "events")
        self._simulation = _core.Simulation(plan, self._recording)
        self.plan: dict[str, Any] = json.loads(self._simulation.plan())
        self.seed: int = self.plan["seed"]
        control = SimulatedControl(self._simulation, self.plan["nodes"])
        self._simulated = control
        self._control = cast("Control", control)
        self._simulated_board = SimulatedBoard(control)
        self._board = self._simulated_board
        self.notes: list[str] = []
        self.requests: list[Request] = []
        self._player = WorldPlayer(self, self.seed, self.notes.append)
        self._schedule = Schedule()
        self._owned: set[int] = set()
        self._events: list[Event] = []
        self._outcome: dict[str, Any] = {}
        self._duration = math.nan
        self._draws = 0
        self._piece = 0.05

    # ---- time

    def run(self, until: float | None = None, *, for_: float | None = None) -> None:
        """Lets everything happen that happens until a time, or until something is found wrong.

        Ctrl-C ends it in between; the world can go on after that.

        Args:
            until: Simulated seconds since the beginning.
            for_: Simulated seconds from now; instead of `until`.

        Raises:
            ValueError: The time has passed already, or is none.

        Example:
            >>> world = World(seed=1)
            >>> world.run(until=0.5)
            >>> world.run(for_=0.25)
            >>> world.now
            0.75
        """
        if (until is None) == (for_ is None):
            raise ValueError("run takes either until= or for_=")
        now = self.now
        end = (
            now + number_of(for_, "for_", 0, DURATION_S_MAX, "seconds") if until is None else until
        )
        number_of(end, "until", 0, DURATION_S_MAX, "seconds")
        if end < now:
            raise ValueError(f"it is {now:g} s already; time does not run back to {end:g} s")
        while not self.failure:
            due = self._player.due()
            self._advance(min(due, end))
            if due > end:
                break
            self._turn()

    def step(self) -> list[Event]:
        """Lets one thing happen, such as the arrival of a message, and all that it brings about.

        Returns:
            What happened (nothing if `events` is off).

        Example:
            >>> world = World(seed=1)
            >>> while not any(event.event == "role" for event in world.step()):
            ...     pass
            >>> world.node(2).status()["role"]
            'candidate'
        """
        before = len(self._told())
        if not self._simulation.step(min(self._player.due(), DURATION_S_MAX)):
            due = self._player.due()
            if due <= DURATION_S_MAX and not self.failure:
                self._simulation.run_until(max(due, self.now), 0.0)
                self._turn()
        return self._told()[before:]

    def finish(self) -> str:
        """Heals everything, demands progress of the cluster, and judges the whole run.

        The nodes have ten election timeouts to serve again, all of them; then every client has to
        get its answer, and the clients' history has to be linearizable.

        Ctrl-C ends it in between; another call goes on where it was.

        Returns:
            "passed", "correctness" (a promise was broken), "liveness" (it does not serve though
            everything was healed) or "crash" (an invariant broke). `failure` has the details.

        Example:
            >>> world = World(nodes=3, seed=1)
            >>> world.run(until=1.0)
            >>> world.finish()
            'passed'
        """
        if not self._outcome:
            if math.isnan(self._duration):
                self._duration = self.now
            self._outcome = json.loads(self._simulation.finish())
            self._board.clear()
            self._simulated.forget_links()
        return str(self._outcome["verdict"])

    @property
    def outcome(self) -> dict[str, Any]:
        """Returns what `finish` has found: verdict, failure, trace hash, height, elections, ….

        Example:
            >>> world = World(seed=1)
            >>> world.outcome["verdict"], len(world.outcome["trace_hash"])
            ('passed', 16)
        """
        self.finish()
        return dict(self._outcome)

    def _advance(self, end: float) -> None:
        """Runs to a time in pieces that are short on the machine's clock."""
        now = self.now
        while now < end and not self.failure:
            begun = time.perf_counter()
            now = min(end, now + self._piece)
            self._simulation.run_until(now, self._interval)
            taken = time.perf_counter() - begun
            if taken > _PIECE_S:
                self._piece = max(self._piece / 2, 1e-4)
            elif taken < _PIECE_S / 4:
                self._piece = min(self._piece * 2, 60.0)
        if not self.failure:
            self._simulation.run_until(max(end, self.now), self._interval)

    def _turn(self) -> None:
        """Does what is due; what that does to the simulation belongs to the schedule."""
        before = len(self._simulation.faults())
        self._player.turn()
        self._owned.update(range(before, len(self._simulation.faults())))

    # ---- what is to happen

    def at(self, time: float) -> WorldMoment:
        """Returns a time at which something is to happen, in the words of `paxledger.lab.at`.

        Nodes are named by their ids, or "leader", "follower" and "random": who that is shows when
        the time comes.

        Raises:
            ValueError: That time has passed.

        Example:
            >>> world = World(seed=1)
            >>> world.at(1.0).kill("leader", lasting=0.5)
            at(1.0).kill('leader', lasting=0.5)
            >>> world.run(until=2.0)
        """
        moment = WorldMoment(time, self.play)
        if time < self.now:
            raise ValueError(f"it is {self.now:g} s already; nothing can happen at {time:g} s")
        return moment

    def play(
        self, schedule: Schedule | Iterable[Schedule | Step], duration: float = 3600.0
    ) -> None:
        """Puts a schedule on the agenda, as an experiment with a live cluster plays it.

        Args:
            schedule: Its times are simulated seconds since the beginning.
            duration: Until when `every` goes on.

        Raises:
            ValueError: It names a node that is not there, or a time that has passed.

        Example:
            >>> from paxledger.lab import every
            >>> world = World(seed=1)
            >>> world.play(every(1.0).kill("leader", lasting=0.5), duration=3)
            >>> world.run(until=3)
            >>> len(world.result().faults)
            4
        """
        steps = Schedule.of(schedule)
        end = number_of(duration, "duration", 0, DURATION_S_MAX, "seconds", above=True)
        steps.check(self.ids, end)
        for step in steps:
            if step.first < self.now:
                raise ValueError(f"it is {self.now:g} s already; {step!r} comes too late")
        self._schedule = self._schedule + steps
        self._player.add(steps, end)

    # ---- nodes

    def wait_for_leader(self, timeout: float = 10.0) -> int:
        """Runs until a node leads, and returns it.

        Args:
            timeout: Simulated seconds.

        Raises:
            Timeout: None leads by then.

        Example:
            >>> World(seed=1).wait_for_leader()
            2
        """
        end = self.now + number_of(timeout, "timeout", 0, DURATION_S_MAX, "seconds")
        while (leader := self.leader()) is None:
            if self.now >= end or self.failure:
                raise TimeoutError_(f"no node leads after {timeout:g} simulated seconds")
            self._advance(min(end, self.now + 0.005))
        return leader

    def _repr_html_(self) -> str:
        faults = [fault.text for fault in self._board.active if fault.node is not None]
        if self.failure:
            faults.append(self.failure)
        return views.cluster_html(
            f"in simulation, seed {self.seed}, at {self.now:g} s:",
            self._statuses(),
            faults,
            self.link_faults(),
        )

    def __repr__(self) -> str:
        end = f", {self._outcome['verdict']}" if self._outcome else ""
        wrong = ", FAILED" if self.failure else ""
        return (
            f"<paxledger.sim.World: {len(self.ids)} nodes, seed {self.seed}, at {self.now:g} s"
            f"{end}{wrong}>"
        )
