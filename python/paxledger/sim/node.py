"""A node of a simulated cluster, and a request that was made at one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paxledger.errors import BadRequest
from paxledger.faults import Fault
from paxledger.sim.records import word_of_code

if TYPE_CHECKING:
    from paxledger.sim.world import World


class SimulatedNode:
    """One node of a world. Made by `World.node`.

    Attributes:
        id: Its number.

    Example:
        >>> node = world.node(1)
        >>> node.id, node.state
        (1, 'running')
    """

    def __init__(self, world: World, node: int) -> None:
        self.id = node
        self._world = world

    @property
    def state(self) -> str:
        """Returns "running", "paused" or "stopped".

        Example:
            >>> world.node(2).state
            'running'
        """
        return self._world._simulated.state(self.id)

    def status(self) -> dict[str, Any]:
        """Returns what the node says of itself; most of it is None while the node is down.

        Example:
            >>> status = world.node(1).status()
            >>> status["role"] in ("leader", "follower", "candidate"), status["height"] > 0
            (True, True)
        """
        return self._world._statuses([self.id])[0]

    def kill(self) -> Fault:
        """As `World.kill`.

        Example:
            >>> with world.node(3).kill():
            ...     world.node(3).state
            'stopped'
        """
        return self._world.kill(self.id)

    def pause(self) -> Fault:
        """As `World.pause`.

        Example:
            >>> with world.node(3).pause():
            ...     world.node(3).state
            'paused'
        """
        return self._world.pause(self.id)

    def resume(self) -> None:
        """As `World.resume`.

        Example:
            >>> world.node(3).resume()
        """
        self._world.resume(self.id)

    def start(self, rejoin: bool = False) -> None:
        """As `World.start`.

        Example:
            >>> world.node(3).start()
        """
        self._world.start(self.id, rejoin)

    def stop(self) -> None:
        """The same as `kill`: a simulated node keeps no more by ending in good order.

        Example:
            >>> world.node(3).stop()
            >>> world.node(3).start()
        """
        self._world.kill(self.id)

    def restart(self) -> None:
        """As `World.restart`.

        Example:
            >>> world.node(3).restart()
        """
        self._world.restart(self.id)

    def wipe(self) -> None:
        """As `World.wipe`.

        Example:
            >>> other = World(seed=2)
            >>> other.node(3).wipe()
            >>> other.node(3).state
            'stopped'
        """
        self._world.wipe(self.id)

    def __repr__(self) -> str:
        status = self.status()
        role = f", {status['role']} at height {status['height']}" if status["role"] else ""
        return f"<paxledger.sim.SimulatedNode {self.id}: {self.state}{role}>"


class Request:
    """A request that was made at a node of a world, and what came of it so far.

    Attributes:
        node: Where.
        kind: "put", "get", "get_local" or "delete".
        key: Of what.

    Example:
        >>> request = world.put(1, "alice", "555-0100")
        >>> request.outcome
        'unfinished'
        >>> world.run(for_=0.1)
        >>> request.outcome
        'ok'
    """

    def __init__(self, world: World, node: int, kind: str, key: bytes, place: int) -> None:
        self.node = node
        self.kind = kind
        self.key = key
        self._world = world
        self._place = place

    def _told(self) -> tuple[Any, ...]:
        return tuple(self._world._simulation.outcome_of(self._place))

    @property
    def outcome(self) -> str:
        """Returns "ok", "not_found", the code of an error, or "unfinished".

        Example:
            >>> missing = world.get(1, "nobody")
            >>> world.run(for_=0.1)
            >>> missing.outcome
            'not_found'
        """
        return word_of_code(str(self._told()[2])) or "unfinished"

    @property
    def value(self) -> bytes | None:
        """Returns what a get has found.

        Example:
            >>> _ = world.put(1, "k", "v")
            >>> world.run(for_=0.1)
            >>> got = world.get(2, "k")
            >>> world.run(for_=0.1)
            >>> got.value
            b'v'
        """
        found = self._told()[3]
        return None if found is None else bytes(found)

    @property
    def latency(self) -> float | None:
        """Returns the simulated seconds until the answer came; None before.

        Example:
            >>> asked = world.get(1, "k")
            >>> world.run(for_=0.1)
            >>> 0 < asked.latency < 0.1
            True
        """
        begun, ended = self._told()[:2]
        return None if ended is None else float(ended) - float(begun)

    def __repr__(self) -> str:
        return (
            f"<paxledger.sim.Request: {self.kind} {self.key!r} at node {self.node}: {self.outcome}>"
        )


def octets_of(value: str | bytes, what: str) -> bytes:
    """Returns bytes, or a text as UTF-8. Raises TypeError."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise TypeError(f"a {what} is a text or bytes, not {value!r}")
    return value


def check_runs(state: str, node: int) -> None:
    """Raises BadRequest if a node is down."""
    if state == "stopped":
        raise BadRequest(f"node {node} is down; nobody can ask it anything")
