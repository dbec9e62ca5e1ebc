"""Clusters whose nodes are processes of this machine: started, watched and broken on purpose."""

from __future__ import annotations

import html
import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from paxledger import local_configuration, views, watch
from paxledger._breakable import Breakable
from paxledger._connection import Connection, seconds
from paxledger._control import Control, current_guardian
from paxledger._ending import remove
from paxledger._observable import Observable
from paxledger.client import Client, connect_nodes
from paxledger.codecs import Codec
from paxledger.errors import BadRequest
from paxledger.faults import FaultBoard
from paxledger.guardian import DIRECTORY_PREFIX
from paxledger.node import Node
from paxledger.ports import PortBlock

if TYPE_CHECKING:
    from paxledger import aio


class Cluster(Observable, Breakable):
    """The nodes of a cluster.yaml on this machine.

    As a context manager it starts the nodes and, at the end, stops those that are its own: that
    were started here, and not seen to run before as somebody else's. Those never outlive the
    interpreter, even if that is killed. The others run on, also if they were started again here.

    It is closed by close() or the end of its `with` block. Dropped without that, it kills its
    nodes, with a ResourceWarning, once none of its nodes, faults and clients is in use either.

    Threads: any; what starts, stops or breaks nodes is done one after the other, and close() ends
    what other threads do. A cluster belongs to the process that made it: in a fork, every use
    raises ForkedError. A signal's handler that is run within a call cannot use it, only raise.

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
            SystemFailure: The directory cannot be made or written to. What was made is removed.

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
                temporary = local_configuration.temporary_directory(DIRECTORY_PREFIX)
                current_guardian().directory(str(temporary))
            with local_configuration.written(
                temporary or Path(os.fsdecode(directory or ".")),
                ports=[(ports.take(), ports.take(), ports.take()) for _ in range(nodes)],
                name=name,
                fault_injection=fault_injection,
                heartbeat=seconds(heartbeat, "heartbeat"),
                election_timeout=seconds(election_timeout, "election_timeout"),
                work_bits=work_bits,
            ) as file:
                cluster = cls(file)
        except BaseException:
            ports.close()
            if temporary is not None:
                remove(temporary)
            raise
        cluster._control.ending.ports = ports
        if temporary is not None:
            cluster._control.ending.temporary = temporary
            cluster._control.core.claim_all()
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
        if isinstance(rejoin, (str, bytes)) or not isinstance(rejoin, Iterable):
            raise TypeError(f"rejoin is a list of node ids such as [1, 2], not {rejoin!r}")
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
        """Stops the nodes that are its own, closes the clients, removes what is temporary.

        Closing again does nothing; after Ctrl-C, which kills the nodes at once, nothing is left to
        do either. Another thread's calls end with ClosedError.

        Raises:
            SystemFailure: A node does not end.

        Example:
            >>> other = paxledger.Cluster.local(nodes=1).start()
            >>> other.close()
            >>> other.closed
            True
        """
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        if self._control.forked:
            return
        self._control.close()
        self._control.ending.end(kill=kill)

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
        connection = client._connection
        self._control.ending.connections[id(connection)] = connection
        _in_use[connection] = self._control
        return client

    def aclient(self, codec: str | Codec = "bytes", **options: Any) -> aio.Client:
        """Returns a new client for asyncio, as `aio.connect` does; it is closed with the cluster.

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

        client = aio.connect_nodes(self._endpoints(), codec=codec, cluster=self.name, **options)
        connection = client._doors.connection
        self._control.ending.connections[id(connection)] = connection
        self._control.ending.doors[id(connection)] = client._doors
        _in_use[connection] = self._control
        return client

    def watch(self, seconds: float | None = None, interval: float = 0.25) -> None:
        """Shows the cluster live, in a notebook or in a terminal, until Ctrl-C.

        Args:
            seconds: How long; None: until Ctrl-C, or the stop button of the notebook.
            interval: Seconds between two looks.

        Example:
            >>> cluster.watch(seconds=0.1)  # doctest: +SKIP
        """
        watch.watch(self, seconds, interval)

    def _repr_html_(self) -> str:
        if self._control.closed or self._control.forked:
            return f"<pre>{html.escape(repr(self))}</pre>"
        faults = [fault.text for fault in self.faults()]
        return views.cluster_html(self.name, self.status(), faults, self.link_faults())

    def __repr__(self) -> str:
        if self._control.forked:
            return f"<paxledger.Cluster {self.name}: belongs to {self._control.owner}>"
        if self._control.closed:
            return f"<paxledger.Cluster {self.name}: closed>"
        states = ", ".join(f"{node.id} {node.state}" for node in self.nodes)
        return f"<paxledger.Cluster {self.name}: {states}>"


# A cluster runs as long as something refers to it, be it only a client: connection → cluster.
_in_use: weakref.WeakKeyDictionary[Connection, Control] = weakref.WeakKeyDictionary()
