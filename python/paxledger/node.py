"""One node of a cluster: its process, its log, what it says of itself."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paxledger import views
from paxledger.errors import BadRequest, Error, SystemFailure

if TYPE_CHECKING:
    from paxledger._control import Control
    from paxledger.faults import Fault, FaultBoard

NodeStatus = dict[str, Any]

# What /status says of a node, without what the status of a node that does not answer lacks too.
_ASKED = (
    "role leader ballot decided height head ready not_ready_reason hears_quorum abstaining "
    "repairing repair_reason damage revision keys sessions queue uptime_s version peers counters"
).split()


def statuses(control: Control, nodes: tuple[int, ...] | None = None) -> list[NodeStatus]:
    """The status of nodes, all asked at the same time; `lag` is counted from the highest of all."""
    processes = control.processes()
    wanted = control.ids if nodes is None else nodes
    answers = control.ask(
        [node for node in control.ids if processes[node][0] == "running"], "status"
    )
    top = max((said["height"] for said in answers.values() if isinstance(said, dict)), default=0)
    found = []
    for node in wanted:
        state, pid = processes[node]
        status: NodeStatus = {"node": node, "state": state, "pid": pid, "lag": None, "error": ""}
        answer = answers.get(node)
        said = answer if isinstance(answer, dict) else {}
        status.update({name: said.get(name) for name in _ASKED})
        if said:
            status["leader"] = said["leader"] or None
            status["lag"] = top - said["height"]
        elif isinstance(answer, Error):
            status["error"] = answer.message
        found.append(status)
    return found


class Node:
    """A node of a cluster on this machine. Made by `Cluster.node`.

    Threads: any.

    Attributes:
        id: Its number in cluster.yaml.

    Example:
        >>> node = cluster.node(1)
        >>> node.id, node.state
        (1, 'running')
    """

    def __init__(self, control: Control, board: FaultBoard, node: int) -> None:
        self.id = node
        self._control = control
        self._board = board

    # ---- what it is

    @property
    def state(self) -> str:
        """ "running", "paused" or "stopped".

        Example:
            >>> cluster.node(2).state
            'running'
        """
        return self._control.processes()[self.id][0]

    @property
    def pid(self) -> int | None:
        """Its process, or None if it is stopped.

        Example:
            >>> cluster.node(1).pid > 0
            True
        """
        return self._control.processes()[self.id][1]

    @property
    def endpoint(self) -> str:
        """Where it listens for clients.

        Example:
            >>> cluster.node(1).endpoint.startswith("tcp://127.0.0.1:")
            True
        """
        endpoint: str = self._control.settings(self.id)["client"]
        return endpoint

    @property
    def http(self) -> str:
        """Where it serves /status and /metrics.

        Example:
            >>> cluster.node(1).http.startswith("http://127.0.0.1:")
            True
        """
        address: str = self._control.settings(self.id)["http"]
        return address

    @property
    def directory(self) -> Path:
        """Where it keeps its chain and its log of votes.

        Example:
            >>> (cluster.node(1).directory / "blocks").is_dir()
            True
        """
        return Path(self._control.settings(self.id)["directory"])

    def logs(self, lines: int = 50) -> str:
        """Returns the last lines that it wrote.

        Args:
            lines: How many at most.

        Raises:
            SystemFailure: The file cannot be read.

        Example:
            >>> "node 1" in cluster.node(1).logs()
            True
        """
        if isinstance(lines, bool) or not isinstance(lines, int):
            raise TypeError(f"lines is how many there are at most, not {lines!r}")
        if lines < 0:
            raise BadRequest(f"lines is how many there are at most, not {lines}")
        file = self._control.log_file(self.id)
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as failure:
            raise SystemFailure(f"cannot read {file}: {failure.strerror}") from failure
        return "\n".join(text.splitlines()[-lines:]) if lines else ""

    def status(self) -> NodeStatus:
        """Returns what the node says of itself (docs/reference/http.md), and what is known of it.

        `state`, `pid` and `lag` (how many blocks it is behind the highest node) are always there. A
        node that does not answer has None for what only it could say, and `error` says why.

        Example:
            >>> cluster.node(1).status()["role"] in ("leader", "follower", "candidate")
            True
        """
        return statuses(self._control, (self.id,))[0]

    # ---- what is done to it

    def start(self, rejoin: bool = False) -> None:
        """Starts it, and waits until it answers. Nothing if it runs.

        Args:
            rejoin: Its data was lost: it begins anew and fetches everything from the others.

        Raises:
            SystemFailure: It ended, with the last lines of its log; or it has no data while others
                have, and `rejoin` was not asked for.

        Example:
            >>> cluster.node(3).stop()
            >>> cluster.node(3).start()
            >>> cluster.node(3).state
            'running'
        """
        if not isinstance(rejoin, bool):
            raise TypeError(f"rejoin is True or False, not {rejoin!r}")
        with self._control.starting() as core:
            core.start(self.id, rejoin)
        if self.state == "running":
            self._board.node_runs(self.id)

    def stop(self) -> None:
        """Asks it to end and waits for that; kills it after 10 seconds. Nothing if it is stopped.

        Example:
            >>> cluster.node(3).stop()
            >>> cluster.node(3).state
            'stopped'
            >>> cluster.node(3).start()
        """
        self._control.core.stop(self.id)
        self._board.node_runs(self.id)

    def kill(self) -> Fault:
        """Kills it (SIGKILL), and waits until it is gone; as a context manager starts it again.

        Raises:
            BadRequest: It does not run.

        Example:
            >>> with cluster.node(3).kill():
            ...     cluster.node(3).state
            'stopped'
            >>> cluster.node(3).state
            'running'
        """
        return self._board.kill(self.id)

    def pause(self) -> Fault:
        """Stops its clock (SIGSTOP): it keeps its connections, but answers nobody.

        As a context manager it resumes the node at the end.

        Raises:
            BadRequest: It does not run.

        Example:
            >>> with cluster.node(3).pause():
            ...     cluster.node(3).state
            'paused'
        """
        return self._board.pause(self.id)

    def resume(self) -> None:
        """Lets a paused node go on.

        Raises:
            BadRequest: It does not run.

        Example:
            >>> fault = cluster.node(3).pause()
            >>> cluster.node(3).resume()
            >>> cluster.node(3).state
            'running'
        """
        self._control.core.resume(self.id)
        self._board.node_runs(self.id)

    def restart(self) -> None:
        """Stops it and starts it again.

        Raises:
            SystemFailure: It ended, with the last lines of its log.

        Example:
            >>> before = cluster.node(3).pid
            >>> cluster.node(3).restart()
            >>> cluster.node(3).pid != before
            True
        """
        with self._control.starting() as core:
            core.restart(self.id)
        self._board.node_runs(self.id)

    def wipe(self) -> None:
        """Removes its data: the disk is lost. It comes back with `start(rejoin=True)`.

        Raises:
            BadRequest: It runs.

        Example:
            >>> cluster.node(3).stop()
            >>> cluster.node(3).wipe()
            >>> cluster.node(3).start(rejoin=True)
        """
        self._control.core.wipe(self.id)

    def _repr_html_(self) -> str:
        if self._control.closed or self._control.forked:
            return f"<pre>{html.escape(repr(self))}</pre>"
        return views.node_html(self.status(), self.endpoint, self.http)

    def __repr__(self) -> str:
        if self._control.forked:
            return f"<paxledger.Node {self.id} of a cluster of {self._control.owner}>"
        if self._control.closed:
            return f"<paxledger.Node {self.id} of a closed cluster>"
        state, pid = self._control.processes()[self.id]
        process = f", process {pid}" if pid else ""
        return f"<paxledger.Node {self.id}: {state}{process}, {self.endpoint}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and (other._control, other.id) == (self._control, self.id)

    def __hash__(self) -> int:
        return hash((id(self._control), self.id))
