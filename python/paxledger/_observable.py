"""What a cluster's nodes say of themselves, and waiting for them to say it."""

from __future__ import annotations

import time
from typing import Any

from paxledger._calls import decode_value
from paxledger._connection import seconds
from paxledger._control import Control
from paxledger.chain import Chain, Comparison
from paxledger.codecs import Codec, find_codec
from paxledger.errors import BadRequest, Error, NoQuorum
from paxledger.node import NodeStatus, statuses

_POLL_S = 0.01


class Observable:
    """What can be seen of a cluster: the half of `Cluster` that changes nothing."""

    _control: Control

    def status(self) -> list[NodeStatus]:
        """Returns the status of every node, as `Node.status`, all asked at the same time.

        Example:
            >>> [status["node"] for status in cluster.status()]
            [1, 2, 3]
        """
        return statuses(self._control)

    def leader(self) -> int | None:
        """Returns the node that leads, or None if no node is sure that it does.

        A leader that was cut off a moment ago may still be named: it does not know it yet.

        Example:
            >>> cluster.leader() in cluster.ids
            True
        """
        leading = [
            (tuple(map(int, status["ballot"].split("."))), int(status["node"]))
            for status in self.status()
            if status["role"] == "leader" and status["ready"]
        ]
        return max(leading)[1] if leading else None

    def wait_for_leader(self, timeout: float = 10.0, *, other_than: int | None = None) -> int:
        """Waits until a node leads that a majority of all nodes follows, and returns it.

        Args:
            timeout: Seconds.
            other_than: A node that does not count, such as the leader before.

        Raises:
            NoQuorum: There is none in time; the message says what the nodes say.

        Example:
            >>> before = cluster.wait_for_leader()
            >>> with cluster.fail_node(before):
            ...     cluster.wait_for_leader(other_than=before) != before
            True
        """
        until = time.monotonic() + seconds(timeout, "timeout")
        excluded = None if other_than is None else self._control.node_id(other_than)
        while True:
            said = self.status()
            for status in said:
                node = status["node"]
                followers = sum(each["leader"] == node for each in said)
                if (
                    status["role"] == "leader"
                    and status["ready"]
                    and followers > len(said) // 2
                    and node != excluded
                ):
                    return int(node)
            if time.monotonic() >= until:
                raise NoQuorum(f"no leader within {timeout:g} s: {_summary(said)}")
            time.sleep(_POLL_S)

    def in_sync(self, timeout: float | None = None) -> bool:
        """Returns whether all nodes that run have the same chain, and none is being repaired.

        Args:
            timeout: Seconds to wait for it; None: how it is now.

        Example:
            >>> cluster.in_sync(timeout=10)
            True
        """
        until = time.monotonic() + (0 if timeout is None else seconds(timeout, "timeout"))
        while True:
            said = [status for status in self.status() if status["state"] != "stopped"]
            heads = {(status["height"], status["head"]) for status in said}
            well = all(status["height"] is not None and not status["repairing"] for status in said)
            if said and well and len(heads) == 1:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)

    def chain(self, node: int, first: int = 1, last: int | None = None) -> Chain:
        """Returns the chain as one node has it, every link verified.

        Args:
            node: Its id.
            first: The height to begin at.
            last: The height to end at; None for the node's head.

        Raises:
            Damaged: A block is not what it should be, or does not link to the one before.
            BadRequest: The node does not run.

        Example:
            >>> db["alice"] = "1"
            >>> cluster.chain(1).verify()
            >>> cluster.chain(1).diff(cluster.chain(1)) is None
            True
        """
        _height(first, "first")
        if last is not None:
            _height(last, "last")
        return Chain.read(self._control, self._control.node_id(node), first, last)

    def kv(self, node: int, prefix: str = "", codec: str | Codec = "bytes") -> dict[str, Any]:
        """Returns keys and values as one node has them at this moment.

        Args:
            node: Its id.
            prefix: What the keys start with; all keys by default.
            codec: What turns the stored bytes into values.

        Raises:
            CodecError: The codec cannot read a value.
            BadRequest: The node does not run.

        Example:
            >>> db["alice"] = "1"
            >>> cluster.kv(cluster.leader())["alice"]
            b'1'
        """
        if not isinstance(prefix, str):
            raise TypeError(f"prefix is a str, not {prefix!r}")
        reader = find_codec(codec)
        found = self._control.scan(
            self._control.node_id(node), prefix.encode("utf-8", "surrogateescape")
        )
        values: dict[str, Any] = {}
        for octets, value, _ in found:
            key = octets.decode("utf-8", "surrogateescape")
            values[key] = decode_value(reader, key, value)
        return values

    def queue(self, node: int) -> list[dict[str, Any]]:
        """Returns what waits in one node: commands, slots in flight, forwarded requests.

        Example:
            >>> cluster.queue(1)
            []
        """
        items: list[dict[str, Any]] = self._control.ask_one(self._control.node_id(node), "queue")[
            "items"
        ]
        return items

    def compare(self, last: int = 12) -> Comparison:
        """Returns the chains of all nodes that run, side by side.

        Args:
            last: How many heights to show, up to the highest one.

        Example:
            >>> cluster.compare().first_difference is None
            True
        """
        if isinstance(last, bool) or not isinstance(last, int):
            raise TypeError(f"last is how many heights to show, not {last!r}")
        if last < 1:
            raise BadRequest(f"last is how many heights to show, at least 1, not {last}")
        running = [
            node for node, (state, _) in self._control.processes().items() if state == "running"
        ]
        chains = []
        for node in running:
            try:
                chains.append(self.chain(node))
            except Error:
                # One that ended meanwhile is none of the nodes that run.
                if self._control.processes()[node][0] == "running":
                    raise
        return Comparison(chains, last)


def _height(value: int, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is a height, a whole number, not {value!r}")


def _summary(said: list[NodeStatus]) -> str:
    return "; ".join(
        f"node {status['node']} {status['state']}"
        + (f", {status['role']}, follows {status['leader'] or 'nobody'}" if status["role"] else "")
        for status in said
    )
