"""Makes a simulation answer where the fault board of a live cluster asks its controller."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from paxledger import _core
from paxledger.errors import BadRequest
from paxledger.faults import NONE, Fault, FaultBoard, Link, LinkEffect

if TYPE_CHECKING:
    from paxledger._control import Control


_Order = tuple[int, int, bool, float, float, float, float, float]


class SimulatedBoard(FaultBoard):
    """The faults of a world. They are called in its record what they are called here."""

    def __init__(self, control: SimulatedControl) -> None:
        super().__init__(cast("Control", control))
        self._simulated = control

    def add(self, kind: str, text: str, links: Mapping[Link, LinkEffect]) -> Fault:
        """As for live clusters."""
        self._simulated.label = text
        try:
            return super().add(kind, text, links)
        finally:
            self._simulated.label = ""

    def undo(self, fault: Fault) -> None:
        """As for live clusters."""
        self._simulated.label = "" if fault.node else f"undo {fault.text}"
        try:
            super().undo(fault)
        finally:
            self._simulated.label = ""

    def crash(self, node: int, draw: int, unsynced: str | None) -> Fault:
        """Power loss; undoing it starts the node, unless it runs again already."""
        fault = Fault(self, "kill", f"node {node} crashed", {}, node)
        chosen = {} if unsynced is None else {"unsynced": unsynced}
        return self._do(
            fault, lambda it: self._simulated.apply("crash", node=it, draw=draw, **chosen)
        )


class SimulatedControl:
    """What `FaultBoard` and `Breakable` want of a cluster, carried out in a simulation.

    Attributes:
        ids: The nodes.
        core: Itself; the orders that the controller in C++ takes for live clusters.
        label: What the next faults are called in the record of the simulation.
    """

    file = "this world"
    closed = False
    forked = False
    configuration: dict[str, Any] = {"fault_injection": True}

    def __init__(self, simulation: _core.Simulation, nodes: int) -> None:
        self.simulation = simulation
        self.ids = tuple(range(1, nodes + 1))
        self.core = self
        self.label = ""
        self._links: dict[Link, LinkEffect] = {}

    # --- as the controller of a live cluster

    def check_usable(self) -> None:
        """A simulation always is."""

    def node_id(self, node: Any) -> int:
        """Returns the id of a node, given by it or as an object. Raises BadRequest, TypeError."""
        number = getattr(node, "id", node)
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"a node is meant by its id, a number such as 1, not {node!r}")
        if number not in self.ids:
            known = ", ".join(map(str, self.ids))
            raise BadRequest(f"there is no node {number} in this world, only {known}")
        return number

    def processes(self) -> dict[int, tuple[str, int]]:
        """The state of every node; there are no processes."""
        return {node: (self.state(node), 0) for node in self.ids}

    @contextlib.contextmanager
    def starting(self) -> Iterator[SimulatedControl]:
        """Starting takes no time here."""
        yield self

    def faults(self) -> dict[str, Any]:
        """The links that were disturbed, as the controller in C++ lists them."""
        return {
            "links": [
                {
                    "from": a,
                    "to": b,
                    "block": effect.block,
                    "drop": effect.drop,
                    "delay_ms": effect.delay_ms,
                    "jitter_ms": effect.jitter_ms,
                    "duplicate": effect.duplicate,
                    "reorder": effect.reorder,
                }
                for (a, b), effect in sorted(self._links.items())
            ]
        }

    def inject(
        self, orders: Iterable[tuple[int, int, bool, float, float, float, float, float]]
    ) -> None:
        """Makes links what the orders say."""
        wanted = {order[:2]: LinkEffect(*order[2:]) for order in orders}
        cut = [link for link, effect in wanted.items() if effect.block and not self._cut(link)]
        mended = [link for link, effect in wanted.items() if not effect.block and self._cut(link)]
        if cut:
            self.apply("cut", links=cut)
        if mended:
            self.apply("mend", links=mended)
        for link, effect in wanted.items():
            if _disturbance(effect) != _disturbance(self._links.get(link, NONE)):
                self.apply("disturb", links=[link], **_disturbance(effect))
            self._links[link] = effect
            if effect == NONE:
                del self._links[link]

    def kill(self, node: int) -> None:
        """The process of a node ends."""
        if self.state(node) != "stopped":
            self.apply("kill", node=node)

    def pause(self, node: int) -> None:
        """A node stands still."""
        self.apply("pause", node=node)

    def resume(self, node: int) -> None:
        """A node goes on."""
        self.apply("resume", node=node)

    def start(self, node: int, rejoin: bool) -> None:
        """A node starts; a simulated one finds out by itself whether it has lost its disk."""
        self.apply("start", node=node)

    # --- the simulation

    def state(self, node: int) -> str:
        """Returns "running", "paused" or "stopped"."""
        return str(self.simulation.status(node)["state"])

    def apply(self, kind: str, **members: Any) -> None:
        """Does something to the cluster now (cpp/sim/fault.hpp)."""
        named = {"label": self.label} if self.label else {}
        self.simulation.apply(None, json.dumps({"kind": kind, **named, **members}))

    def forget_links(self) -> None:
        """All links were mended at once."""
        self._links.clear()

    def _cut(self, link: Link) -> bool:
        return self._links.get(link, NONE).block


def _disturbance(effect: LinkEffect) -> dict[str, int]:
    return {
        "drop_permille": round(effect.drop * 1000),
        "duplicate_permille": round(effect.duplicate * 1000),
        "reorder_permille": round(effect.reorder * 1000),
        "delay_us": round(effect.delay_ms * 1000),
        "jitter_us": round(effect.jitter_ms * 1000),
    }
