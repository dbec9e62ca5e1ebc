"""Clusters whose nodes are processes of this machine: started, watched and broken on purpose."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from paxledger import local_configuration
from paxledger._connection import seconds
from paxledger._control import Control
from paxledger.client import Client, connect_nodes
from paxledger.codecs import Codec, find_codec
from paxledger.errors import BadRequest, Error, NoQuorum, Timeout
from paxledger.faults import Fault, FaultBoard, LinkEffect, between_groups, both_ways
from paxledger.guardian import DIRECTORY_PREFIX, Guardian
from paxledger.node import Node, NodeStatus, statuses
from paxledger.ports import PortBlock

if TYPE_CHECKING:
    from paxledger import aio
    from paxledger.chain import Chain

_POLL_S = 0.01


class Cluster:
    """The nodes of a cluster.yaml on this machine.

    As a context manager it starts the nodes and, at the end, stops those that it started. Nodes that
    ran before stay as they are. Nodes that it started never outlive the interpreter, even if that is
    killed.

    Threads: any; what starts, stops or breaks nodes is done one after the other. A cluster belongs
    to the process that made it: in a fork, every use raises ForkedError.

    Example:
        >>> with paxledger.Cluster.local(nodes=3) as three:
        ...     three.client().put("alice", "1")
        1
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        """Reads a cluster.yaml, as `from_yaml`."""
        self._control = Control(file)
        self._board = FaultBoard(self._control)
        self._nodes = {node: Node(self._control, self._board, node) for node in self._control.ids}
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        self._temporary: Path | None = None
        self._ports: PortBlock | None = None
        _open.add(self)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Cluster:
        """Returns the cluster that a cluster.yaml describes. Nothing is started yet.

        Args:
            path: The file; docs/reference/configuration.md says what stands in it.

        Raises:
            ConfigurationError: It is wrong; the message names line and column.
            SystemFailure: It cannot be read, or there is no paxledgerd.

        Example:
            >>> same = paxledger.Cluster.from_yaml(cluster.file)
            >>> same.ids == cluster.ids
            True
        """
        return cls(path)

    @classmethod
    def local(
        cls,
        nodes: int = 3,
        *,
        fault_injection: bool = True,
        directory: str | os.PathLike[str] | None = None,
        heartbeat: float = 0.05,
        election_timeout: float = 0.4,
        work_bits: int = 0,
        name: str = "local",
    ) -> Cluster:
        """Returns a new cluster with free ports. Nothing is started yet.

        Args:
            nodes: How many, 1 to 9.
            fault_injection: Whether links can be disturbed.
            directory: Where cluster.yaml and all data are put, and stay. By default a temporary
                directory, which is removed when the cluster is closed.
            heartbeat: Seconds between two signs of life of a node.
            election_timeout: Seconds after which a silent leader is replaced.
            work_bits: Proof of work of each block.
            name: Of the cluster.

        Raises:
            BadRequest: `nodes` is out of its bounds, or the directory holds a cluster already.
            ConfigurationError: Another value is out of its bounds.

        Example:
            >>> with paxledger.Cluster.local(nodes=1) as one:
            ...     one.leader()
            1
        """
        if isinstance(nodes, bool) or not isinstance(nodes, int):
            raise TypeError(f"nodes is how many there are, not {nodes!r}")
        if not 1 <= nodes <= 9:
            raise BadRequest(f"a cluster has 1 to 9 nodes, not {nodes}")
        ports = PortBlock()
        temporary = None
        try:
            if directory is None:
                temporary = Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX)).resolve()
                Guardian.current().directory(str(temporary))
            file = local_configuration.write(
                temporary or Path(os.fspath(directory or ".")),
                ports=[(ports.take(), ports.take(), ports.take()) for _ in range(nodes)],
                name=name,
                fault_injection=fault_injection,
                heartbeat=seconds(heartbeat, "heartbeat"),
                election_timeout=seconds(election_timeout, "election_timeout"),
                work_bits=work_bits,
            )
            cluster = cls(file)
        except BaseException:
            ports.close()
            if temporary is not None:
                _remove(temporary)
            raise
        cluster._ports = ports
        cluster._temporary = temporary
        return cluster

    # ---- starting and stopping

    def start(self, rejoin: Iterable[int] = (), patience: float = 30.0) -> Cluster:
        """Starts every node that does not run, and waits until the cluster serves.

        Args:
            rejoin: Nodes whose data was lost: they begin anew and fetch everything from the others.
            patience: Seconds to wait.

        Returns:
            The cluster itself.

        Raises:
            SystemFailure: A node ended: which, how, and the last lines of its log.
            NoQuorum: It does not serve in time. The nodes go on.

        Example:
            >>> cluster.node(2).stop()
            >>> cluster.start().node(2).state
            'running'
        """
        again = {self._control.node_id(node) for node in rejoin}
        with self._control.starting() as core:
            core.up(again, seconds(patience, "patience"))
        for node, (state, _) in self._control.processes().items():
            if state == "running":
                self._board.node_runs(node)
        return self

    def stop(self) -> int:
        """Stops every node, whoever started it, and forgets all faults. The data stays.

        Returns:
            How many ran.

        Example:
            >>> cluster.stop()
            3
            >>> _ = cluster.start()
        """
        ran: int = self._control.core.down()
        self._board.clear()
        return ran

    def close(self) -> None:
        """Stops the nodes that were started here, closes the clients, and removes what is temporary.

        Closing twice does nothing.

        Example:
            >>> other = paxledger.Cluster.local(nodes=1).start()
            >>> other.close()
            >>> other.closed
            True
        """
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        if self._control.closed or self._control.forked:
            return
        for client in list(self._clients):
            with contextlib.suppress(Exception):
                client.close()
        try:
            if not kill:
                self._stop_owned()
        finally:
            try:
                # What is left after an interrupted or a failed stop, or is not worth a farewell.
                self._kill_owned()
            finally:
                self._control.close()
                _open.discard(self)
                if self._ports is not None:
                    self._ports.close()
                if self._temporary is not None:
                    _remove(self._temporary)

    def _stop_owned(self) -> None:
        core = self._control.core
        owned = self._control.owned()
        running = [
            node for node, (state, _) in self._control.processes().items() if state != "stopped"
        ]
        if owned and set(owned) == set(running):
            core.down()
            return
        for node in owned:
            core.stop(node)

    def _kill_owned(self) -> None:
        for node in self._control.owned():
            with contextlib.suppress(Error):
                self._control.core.kill(node)

    @property
    def closed(self) -> bool:
        """Whether it was closed.

        Example:
            >>> cluster.closed
            False
        """
        return self._control.closed

    def __enter__(self) -> Cluster:
        try:
            return self.start()
        except BaseException:
            # There will be no __exit__.
            self._end(kill=True)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- what there is

    @property
    def file(self) -> str:
        """The cluster.yaml.

        Example:
            >>> cluster.file.endswith("cluster.yaml")
            True
        """
        return self._control.file

    @property
    def name(self) -> str:
        """The cluster's name.

        Example:
            >>> cluster.name
            'local'
        """
        return self._control.name

    @property
    def ids(self) -> list[int]:
        """The ids of the nodes.

        Example:
            >>> cluster.ids
            [1, 2, 3]
        """
        return list(self._control.ids)

    @property
    def nodes(self) -> list[Node]:
        """All nodes.

        Example:
            >>> [node.state for node in cluster.nodes]
            ['running', 'running', 'running']
        """
        return list(self._nodes.values())

    def node(self, node: int) -> Node:
        """Returns a node by its id.

        Raises:
            BadRequest: There is no such node.

        Example:
            >>> cluster.node(2).id
            2
        """
        return self._nodes[self._control.node_id(node)]

    def _endpoints(self) -> dict[int, str]:
        self._control.check_usable()
        return {node.id: node.endpoint for node in self.nodes}

    def client(self, codec: str | Codec = "bytes", **options: Any) -> Client:
        """Returns a new blocking client, which is closed with the cluster.

        Its `node=` arguments are node ids.

        Args:
            codec: As for `connect`.
            **options: `deadline`, `session_ttl`, … as for `connect`.

        Example:
            >>> db = cluster.client(codec="json")
            >>> db["bob"] = {"phone": "555-0100"}
            >>> db.get("bob", node=2)["phone"]
            '555-0100'
        """
        client = connect_nodes(self._endpoints(), codec=codec, cluster=self.name, **options)
        self._clients.add(client)
        return client

    def aclient(self, codec: str | Codec = "bytes", **options: Any) -> aio.Client:
        """Returns a new client for asyncio, as `aio.connect` does.

        Args:
            codec: As for `connect`.
            **options: As for `client`.

        Example:
            >>> async def main():
            ...     async with cluster.aclient() as db:
            ...         return await db.put("k", "v")
            >>> asyncio.run(main()) > 0
            True
        """
        from paxledger import aio

        return aio.connect_nodes(self._endpoints(), codec=codec, cluster=self.name, **options)

    # ---- the nodes' state

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
        from paxledger.chain import Chain

        return Chain.read(self._control, self._control.node_id(node), first, last)

    def kv(self, node: int, codec: str | Codec = "bytes") -> dict[str, Any]:
        """Returns all keys and values as one node has them at this moment.

        Args:
            node: Its id.
            codec: What turns the stored bytes into values.

        Example:
            >>> db["alice"] = "1"
            >>> cluster.kv(cluster.leader())["alice"]
            b'1'
        """
        decode = find_codec(codec).decode
        found = self._control.scan(self._control.node_id(node))
        return {key.decode("utf-8", "surrogateescape"): decode(value) for key, value, _ in found}

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

    # ---- faults

    def fail_link(self, a: int, b: int, *, one_way: bool = False) -> Fault:
        """Nothing passes between two nodes any more.

        Args:
            a: A node.
            b: Another one.
            one_way: Only what `a` sends to `b` is lost.

        Returns:
            The fault; as a context manager it is undone at the end.

        Raises:
            Unauthorized: cluster.yaml lacks `fault_injection: true`.

        Example:
            >>> with cluster.fail_link(1, 2):
            ...     len(cluster.faults())
            1
        """
        return self._disturb("link", a, b, LinkEffect(block=True), one_way)

    def fix_link(self, a: int, b: int, *, one_way: bool = False) -> None:
        """Makes the link of two nodes well again, whatever faults it has.

        Args:
            a: A node.
            b: Another one.
            one_way: Only the direction from `a` to `b`.

        Example:
            >>> _ = cluster.fail_link(1, 2)
            >>> cluster.fix_link(1, 2)
            >>> cluster.faults()
            []
        """
        a, b = self._control.node_id(a), self._control.node_id(b)
        self._board.fix(both_ways(a, b, LinkEffect(), one_way))

    def fail_node(self, node: int) -> Fault:
        """Kills a node, as `Node.kill`.

        Example:
            >>> with cluster.fail_node(3):
            ...     cluster.node(3).state
            'stopped'
        """
        return self.node(node).kill()

    def fix_node(self, node: int) -> None:
        """Starts a node that is stopped, or resumes one that is paused.

        Example:
            >>> _ = cluster.fail_node(3)
            >>> cluster.fix_node(3)
            >>> cluster.node(3).state
            'running'
        """
        broken = self.node(node)
        if broken.state == "paused":
            broken.resume()
        else:
            broken.start()

    def partition(self, *groups: Iterable[int], one_way: bool = False) -> Fault:
        """Cuts all links between nodes of different groups.

        A single group is cut off from all other nodes. Nodes that share a group are joined even if
        they are in different ones as well; nodes that are in no group keep all their links.

        Args:
            *groups: Node ids.
            one_way: Only what earlier groups send to later ones is lost.

        Example:
            >>> with cluster.partition([1], [2, 3]):
            ...     sorted(cluster.link_faults())
            [(1, 2), (1, 3), (2, 1), (3, 1)]
        """
        listed = [self._group(group) for group in groups]
        if len(listed) == 1:
            listed.append([node for node in self._control.ids if node not in listed[0]])
        links = between_groups(listed, LinkEffect(block=True), one_way)
        if not links:
            raise BadRequest("a partition needs two groups with different nodes")
        arrow = " → " if one_way else " | "
        text = arrow.join(",".join(map(str, group)) for group in listed)
        return self._board.add("partition", f"partition {text}", links)

    def isolate(self, node: int, one_way: str | None = None) -> Fault:
        """Cuts a node off from all others.

        Args:
            node: Its id.
            one_way: "in": it hears nobody, but is heard. "out": it is not heard, but hears.

        Example:
            >>> with cluster.isolate(3, one_way="in"):
            ...     sorted(cluster.link_faults())
            [(1, 3), (2, 3)]
        """
        node = self._control.node_id(node)
        if one_way not in (None, "in", "out"):
            raise BadRequest(f'one_way is "in", "out" or None, not {one_way!r}')
        blocked = LinkEffect(block=True)
        links = {}
        for other in self._control.ids:
            if other == node:
                continue
            if one_way != "out":
                links[other, node] = blocked
            if one_way != "in":
                links[node, other] = blocked
        direction = f" ({one_way})" if one_way else ""
        return self._board.add("isolate", f"isolate {node}{direction}", links)

    def drop(self, a: int, b: int, probability: float, *, one_way: bool = False) -> Fault:
        """Loses messages at random.

        Args:
            a: A node.
            b: Another one.
            probability: Of each message to be lost, 0 to 1.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.drop(1, 2, 0.25):
            ...     str(cluster.link_faults()[2, 1])
            'drop 0.25'
        """
        effect = LinkEffect(drop=_probability(probability))
        return self._disturb("drop", a, b, effect, one_way)

    def delay(
        self, a: int, b: int, seconds: float, *, jitter: float = 0.0, one_way: bool = False
    ) -> Fault:
        """Makes messages late.

        Args:
            a: A node.
            b: Another one.
            seconds: How late, 0 to 60.
            jitter: Up to how much later than that, drawn for each message.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.delay(1, 2, 0.05, jitter=0.01, one_way=True):
            ...     str(cluster.link_faults()[1, 2])
            'delay 50 ms + up to 10 ms'
        """
        effect = LinkEffect(
            delay_ms=_delay(seconds, "delay") * 1000, jitter_ms=_delay(jitter, "jitter") * 1000
        )
        return self._disturb("delay", a, b, effect, one_way)

    def duplicate(self, a: int, b: int, probability: float, *, one_way: bool = False) -> Fault:
        """Delivers messages twice at random.

        Args:
            a: A node.
            b: Another one.
            probability: Of each message to arrive twice, 0 to 1.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.duplicate(1, 2, 0.5) as fault:
            ...     fault.text
            'duplicate 0.5: 1 – 2'
        """
        effect = LinkEffect(duplicate=_probability(probability))
        return self._disturb("duplicate", a, b, effect, one_way)

    def reorder(self, a: int, b: int, probability: float, *, one_way: bool = False) -> Fault:
        """Lets messages be overtaken by later ones at random.

        Args:
            a: A node.
            b: Another one.
            probability: Of each message to be overtaken, 0 to 1.
            one_way: Only what `a` sends to `b`.

        Example:
            >>> with cluster.reorder(1, 2, 0.5, one_way=True) as fault:
            ...     fault.text
            'reorder 0.5: 1 → 2'
        """
        effect = LinkEffect(reorder=_probability(probability))
        return self._disturb("reorder", a, b, effect, one_way)

    def heal(self, patience: float = 30.0) -> None:
        """Takes back every fault, whoever has injected it, and waits until the cluster serves.

        Clears all links, resumes what was paused and starts what was killed.

        Args:
            patience: Seconds to wait.

        Raises:
            NoQuorum: It does not serve in time.
            SystemFailure: A node ended, with the last lines of its log.

        Example:
            >>> _ = cluster.partition([1], [2, 3])
            >>> cluster.heal()
            >>> cluster.faults()
            []
        """
        try:
            with self._control.starting() as core:
                core.heal(seconds(patience, "patience"))
        finally:
            if not self._board.effects():
                self._board.clear()

    def faults(self) -> list[Fault]:
        """Returns the faults that were injected through this object and are in effect.

        Example:
            >>> cluster.faults()
            []
        """
        self._control.check_usable()
        return list(self._board.active)

    def link_faults(self) -> dict[tuple[int, int], LinkEffect]:
        """Returns what every disturbed link suffers in sum, as {(from, to): effect}.

        Faults that others have injected, such as `paxledger fault link`, are among them.

        Example:
            >>> cluster.link_faults()
            {}
        """
        return self._board.effects()

    def _disturb(self, kind: str, a: int, b: int, effect: LinkEffect, one_way: bool) -> Fault:
        a, b = self._control.node_id(a), self._control.node_id(b)
        arrow = "→" if one_way else "–"
        links = both_ways(a, b, effect, one_way)
        return self._board.add(kind, f"{effect}: {a} {arrow} {b}", links)

    def _group(self, group: Iterable[int]) -> list[int]:
        if isinstance(group, (str, bytes, int)) or not isinstance(group, Iterable):
            raise TypeError(f"a group is a list of node ids such as [1, 2], not {group!r}")
        return [self._control.node_id(node) for node in group]

    def __repr__(self) -> str:
        if self._control.closed or self._control.forked:
            return f"<paxledger.Cluster {self.name}: closed>"
        states = ", ".join(f"{node.id} {node.state}" for node in self.nodes)
        return f"<paxledger.Cluster {self.name}: {states}>"


def _summary(said: list[NodeStatus]) -> str:
    return "; ".join(
        f"node {status['node']} {status['state']}"
        + (f", {status['role']}, follows {status['leader'] or 'nobody'}" if status["role"] else "")
        for status in said
    )


def _probability(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a probability is a number from 0 to 1, not {value!r}")
    if not 0 <= value <= 1:
        raise BadRequest(f"a probability is a number from 0 to 1, not {value:g}")
    return float(value)


def _delay(value: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number of seconds, not {value!r}")
    if not 0 <= value <= 60:
        raise BadRequest(f"{what} is 0 to 60 seconds, not {value:g}")
    return float(value)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        Guardian.current().keep(str(directory))


_open: weakref.WeakSet[Cluster] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Stops what was started and not closed."""
    for each in list(_open):
        with contextlib.suppress(Exception):
            each._end(kill=False)
