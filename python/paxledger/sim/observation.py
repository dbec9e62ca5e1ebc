"""What can be seen of a world, at any time and without a change to it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pandas as pd

from paxledger import _core
from paxledger.chain import Block, Chain
from paxledger.lab.result import Result
from paxledger.lab.schedule import Schedule
from paxledger.sim import records
from paxledger.sim.control import SimulatedControl
from paxledger.sim.node import SimulatedNode
from paxledger.sim.player import WorldPlayer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paxledger.sim.world import World


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


class WorldObservation:
    """What a world has to show: the part of `World` that changes nothing.

    Attributes:
        plan: What the world was made from, as `draw_plan` gives it.
        seed: Of everything that is left to chance.
        notes: What a schedule could not do, and why.
    """

    plan: dict[str, Any]
    seed: int
    notes: list[str]
    _simulation: _core.Simulation
    _simulated: SimulatedControl
    _player: WorldPlayer
    _schedule: Schedule
    _owned: set[int]  # places of the faults that belong to the schedule
    _events: list[Event]
    _recording: bool
    _interval: float
    _outcome: dict[str, Any]
    _duration: float  # of the run, without its end; nan as long as it goes on

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

    @property
    def trace_hash(self) -> str:
        """Returns a hash of everything that has happened: equal runs have equal ones.

        Example:
            >>> World(seed=1).trace_hash == World(seed=1).trace_hash
            True
        """
        return f"{self._simulation.trace_hash():016x}"

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
        return SimulatedNode(cast("World", self), self._simulated.node_id(node))

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

        return draw(cast("World", self), begin, end, kinds, ax, title)

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


_TOLD = ("verdict", "trace_hash", "simulated_s", "answered", "elections", "recovery_ms")
_STATUS = (
    "role leader ballot height head decided revision keys abstaining repairing hears_quorum queued "
    "in_flight elections damage peers"
).split()
