"""Requests that are made at a node of one's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from paxledger import _core
from paxledger.lab.settings import flag_of, number_of
from paxledger.sim.control import SimulatedControl
from paxledger.sim.node import Request, check_runs, octets_of

if TYPE_CHECKING:
    from paxledger.sim.world import World


class WorldRequests:
    """What a world can be asked: the part of `World` that is about requests.

    Attributes:
        requests: All of them so far, in order.
    """

    requests: list[Request]
    _simulated: SimulatedControl
    _simulation: _core.Simulation

    def put(
        self, node: int, key: str | bytes, value: str | bytes, patience: float = 5.0
    ) -> Request:
        """Hands a put to a node now. It is sent once; the first one of a world opens a session.

        Args:
            node: Where; a paused one takes it when it goes on.
            key: A text or bytes.
            value: A text or bytes.
            patience: After how many simulated seconds the node has to answer at the latest.

        Raises:
            BadRequest: The node is down, or the key is empty.
            TooLarge: The key or value is.

        Example:
            >>> request = world.put(1, "alice", "555-0100")
            >>> world.run(for_=0.1)
            >>> request
            <paxledger.sim.Request: put b'alice' at node 1: ok>
        """
        return self._ask(node, "put", key, octets_of(value, "value"), patience)

    def get(
        self, node: int, key: str | bytes, *, local: bool = False, patience: float = 5.0
    ) -> Request:
        """Asks a node for a value now.

        Args:
            node: As for `put`.
            key: As for `put`.
            local: Whatever the node has, old as it may be.
            patience: As for `put`.

        Example:
            >>> request = world.get(1, "nobody", local=True)
            >>> request.outcome
            'not_found'
        """
        kind = "get_local" if flag_of(local, "local") else "get"
        return self._ask(node, kind, key, b"", patience)

    def delete(self, node: int, key: str | bytes, patience: float = 5.0) -> Request:
        """Asks a node to remove a key now; as `put`.

        Example:
            >>> request = world.delete(1, "nobody")
            >>> world.run(for_=0.1)
            >>> request.outcome
            'not_found'
        """
        return self._ask(node, "delete", key, b"", patience)

    def _ask(
        self, node: int, kind: str, key: str | bytes, value: bytes, patience: float
    ) -> Request:
        node = self._simulated.node_id(node)
        octets = octets_of(key, "key")
        number_of(patience, "patience", 0.001, 3600, "seconds")
        check_runs(self._simulated.state(node), node)
        place = self._simulation.request(node, kind, octets, value, patience)
        request = Request(cast("World", self), node, kind, octets, place)
        self.requests.append(request)
        return request
