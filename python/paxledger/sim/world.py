"""A simulated cluster that is told what happens, and looked into at any time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pandas as pd

from paxledger import _core, views
from paxledger.chain import Block, Chain
from paxledger.errors import Timeout as TimeoutError_
from paxledger.lab.result import Result
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.settings import flag_of, number_of
from paxledger.sim import records
from paxledger.sim.control import SimulatedBoard, SimulatedControl
from paxledger.sim.faults import WorldFaults
from paxledger.sim.node import Request, SimulatedNode
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
    from matplotlib.axes import Axes

    from paxledger._control import Control

# A run goes on in C++ for about so long at once; Ctrl-C is heard between two such pieces.
_PIECE_S = 0.05


class Event(NamedTuple):
    """Something that happened in a world.

    Attributes:
        time: When, in simulated seconds.
        event: "message" (sent), "arrived", "dropped" (on its way), "lost" (never sent: a cut link),
            "log", "durable", "block", "reply", "role", "notice" or "fault".
        node: Where.
        peer: The other end of a message.
        id: Of the message, the log's ticket, or the request.
        name: Of the message, the role, or the fault.
        ballot: That it is about, as "round.node".
        slot: That it is about; the height of a block.
        text: All of it, for people.
    """

    time: float
    event: str
    node: int
    peer: int
    id: int
    name: str
    ballot: str
    slot: int
    text: str


class World(WorldFaults, WorldRequests):
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
            "links", "disks", "pauses", "slow_disks", "clocks", "bit_flips", "disk_errors" and
            "full_disks". None: only what is told.
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

    @property
    def now(self) -> float:
        """Returns the simulated seconds since the beginning.

        Example:
            >>> World(seed=1).now
            0.0
        """
        return self._simulation.now()

    @property
    def failure(self) -> str:
        """Returns what was found wrong; empty if nothing was.

        Example:
            >>> world.failure
            ''
        """
        return self._simulation.failure()

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

    @property
    def trace_hash(self) -> str:
        """Returns a hash of everything that has happened: equal runs have equal ones.

        Example:
            >>> World(seed=1).trace_hash == World(seed=1).trace_hash
            True
        """
        return f"{self._simulation.trace_hash():016x}"

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

    @property
    def ids(self) -> tuple[int, ...]:
        """Returns the ids of the nodes.

        Example:
            >>> World(nodes=3).ids
            (1, 2, 3)
        """
        return self._simulated.ids

    def node(self, node: int) -> SimulatedNode:
        """Returns a node. Raises BadRequest if there is none such.

        Example:
            >>> world.node(1)
            <paxledger.sim.SimulatedNode 1: running, ...>
        """
        return SimulatedNode(self, self._simulated.node_id(node))

    def leader(self) -> int | None:
        """Returns the running node that leads with the highest ballot, or None.

        Example:
            >>> world.leader() in world.ids
            True
        """
        leaders = [
            (tuple(map(int, status["ballot"].split("."))), status["node"])
            for status in map(self._simulation.status, self.ids)
            if status["state"] == "running" and status["role"] == "leader"
        ]
        return max(leaders)[1] if leaders else None

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

    # ---- looking

    def kv(self, node: int) -> dict[bytes, bytes]:
        """Returns the keys and values of a node; empty while it is down.

        Example:
            >>> _ = world.put(1, "bob", "555-0199")
            >>> world.run(for_=0.2)
            >>> world.kv(3)[b"bob"]
            b'555-0199'
        """
        found: Mapping[Any, bytes] = self._simulation.keys_of(self._simulated.node_id(node))
        return dict(found)

    def chain(self) -> Chain:
        """Returns the history that the nodes have agreed on so far.

        Example:
            >>> world.chain()[0].height
            1
        """
        return Chain(Block.decode(octets) for octets in self._simulation.blocks())

    def status(self) -> pd.DataFrame:
        """Returns what every node says of itself, a row for each.

        Example:
            >>> list(world.status()["node"])
            [1, 2, 3]
        """
        columns = ["node", "state", "role", "leader", "ballot", "height", "lag", "keys", "decided"]
        return pd.DataFrame(self._statuses())[columns]

    @property
    def events(self) -> pd.DataFrame:
        """Returns everything that has happened, a row for each `Event`.

        Raises:
            ValueError: The world was made without events.

        Example:
            >>> events = world.events
            >>> list(events.columns[:4])
            ['time', 'event', 'node', 'peer']
            >>> bool((events["event"] == "arrived").any())
            True
        """
        return pd.DataFrame(self._history(), columns=list(Event._fields))

    def leaderships(self) -> list[dict[str, Any]]:
        """Returns who led from when to when, to the microsecond.

        Example:
            >>> world.leaderships()[0]["node"]
            2
        """
        return records.leaderships_of(self._simulation.turns(), self._simulation.faults(), self.now)

    def result(self) -> Result:
        """Returns the tables and plots that an experiment with a live cluster gives.

        The metadata has the plan, and, once the run is finished, `verdict`, `failure` and
        `trace_hash`.

        Example:
            >>> result = World(seed=1, workload=Workload(clients=2)).result()
            Traceback (most recent call last):
            ValueError: nothing has happened yet; run the world first
        """
        duration = self.now if math.isnan(self._duration) else self._duration
        if duration <= 0:
            raise ValueError("nothing has happened yet; run the world first")
        simulation, now = self._simulation, self.now
        found = self._outcome or {"verdict": "unfinished", "trace_hash": self.trace_hash}
        told = {name: found[name] for name in _TOLD if name in found}
        return Result.from_records(
            duration=duration,
            operations=records.operations_of(simulation.operations(), now),
            faults=records.faults_of(simulation.faults(), self._owned, self._player.events),
            heights=records.heights_of(simulation.heights()),
            leaders=self.leaderships(),
            schedule=self._schedule,
            seed=self.seed,
            interval=self._interval,
            cluster="simulated",
            nodes=list(self.ids),
            configuration=json.dumps(self.plan, indent=1),
            notes=list(self.notes),
            **{**told, "failure": self.failure or found.get("failure", "")},
        )

    def diagram(
        self,
        begin: float | None = None,
        end: float | None = None,
        *,
        kinds: Iterable[str] | None = None,
        ax: Axes | None = None,
        title: str = "",
    ) -> Axes:
        """Draws the messages of a while as arrows from node to node over time.

        A line for each node; a message goes from when it was sent to when it arrived, and ends in
        a cross where it was lost. Labels have ballot and slot where there is room.

        Args:
            begin: Simulated seconds; None for the beginning.
            end: None for now.
            kinds: Which messages, e.g. ["Prepare", "Promise"]; None for all but heartbeats.
            ax: Where to draw; None for a figure of its own.
            title: Above.

        Raises:
            ValueError: The world was made without events, or there is no such kind of message.

        Example:
            >>> axes = world.diagram(0.15, 0.25)
        """
        from paxledger.sim.diagram import draw

        return draw(self, begin, end, kinds, ax, title)

    def _statuses(self, nodes: Iterable[int] | None = None) -> list[dict[str, Any]]:
        all_of_them = {node: self._simulation.status(node) for node in self.ids}
        top = max((said.get("height", 0) for said in all_of_them.values()), default=0)
        found = []
        for node in self.ids if nodes is None else nodes:
            said = all_of_them[node]
            running = said["state"] != "stopped"
            ready = running and not said["abstaining"] and not said["repairing"]
            found.append(
                {
                    **dict.fromkeys(_STATUS),
                    **said,
                    "lag": top - said["height"] if running else None,
                    "error": "",
                    "ready": ready if running else None,
                    "not_ready_reason": "not whole",
                }
            )
        return found

    def _history(self) -> list[Event]:
        if not self._recording:
            raise ValueError("this world was made with events=False; nothing was written down")
        return self._told()

    def _told(self) -> list[Event]:
        self._events.extend(Event(*each) for each in self._simulation.take_events())
        return self._events

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


_TOLD = ("verdict", "trace_hash", "simulated_s", "answered", "elections", "recovery_ms")
_STATUS = (
    "role leader ballot height head decided revision keys abstaining repairing hears_quorum queued "
    "in_flight elections damage peers"
).split()
