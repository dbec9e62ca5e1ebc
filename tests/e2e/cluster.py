"""A cluster of real processes for tests: starts, breaks, mends and inspects them.

The daemon and the command line come from build/bin, or from PAXLEDGER_BIN_DIR, so that builds with
sanitizers are tested by the same tests.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from plain_client import OK, PlainClient, Reply
from ports import PortBlock
from waiting import scaled, wait_until

ROOT = Path(__file__).resolve().parents[2]
BIN_DIR = Path(os.environ.get("PAXLEDGER_BIN_DIR", ROOT / "build/bin")).resolve()
DAEMON = BIN_DIR / "paxledgerd"
COMMAND = BIN_DIR / "paxledger"

_SANITIZER = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: |invariant broken"
)
Status = dict[str, Any]


class Node:
    """One node: its files, its process, its doors. Owned by a Cluster."""

    def __init__(self, identity: int, cluster: Cluster, ports: PortBlock) -> None:
        self.id = identity
        self._cluster = cluster
        self.peer_port = ports.take()
        self.client_port = ports.take()
        self.http_port = ports.take()
        self.endpoint = f"tcp://127.0.0.1:{self.client_port}"
        self.directory = cluster.data_dir / f"node-{identity}"
        self.log_file = cluster.root / f"node-{identity}.log"
        self.process: subprocess.Popen[bytes] | None = None

    # --- the process

    def start(self, *flags: str, wrapper: Sequence[str] = ()) -> Node:
        """Starts the daemon; does not wait for it. `wrapper` is a command that executes it."""
        assert self.process is None or self.process.poll() is not None, f"node {self.id} runs"
        command = [
            # Whatever becomes of the tests, no daemon outlives them.
            *("setpriv", "--pdeathsig", "KILL"),
            *wrapper,
            *(str(DAEMON), "--config", str(self._cluster.config), "--node", str(self.id)),
            *flags,
        ]
        # A node whose disk fails ends at once and joins no thread, which is no finding.
        # Nor can leaks be looked for under strace.
        leaks = ":detect_leaks=0" if wrapper else ""
        environment = {
            **os.environ,
            "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + leaks,
        }
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        return self

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def _signal(self, number: int) -> None:
        assert self.running, f"node {self.id} does not run"
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self._signal(signal.SIGKILL)
        self.wait_exit()

    def stop(self) -> int:
        """Asks it to stop, and gives the exit code."""
        self._signal(signal.SIGTERM)
        return self.wait_exit()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def wait_exit(self, timeout: float = 20.0) -> int:
        """The exit code; negative for a signal."""
        assert self.process is not None
        try:
            code = self.process.wait(scaled(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"node {self.id} does not end within {timeout:g} s") from None
        self.process = None
        return code

    def wipe(self) -> None:
        """The disk is lost."""
        assert not self.running
        shutil.rmtree(self.directory)

    # --- what it says

    def log_text(self) -> str:
        """What it wrote, whether these tests or `paxledger up` have started it."""
        texts = [
            file.read_text(encoding="utf-8", errors="replace")
            for file in (self.log_file, self._cluster.data_dir / self.log_file.name)
            if file.exists()
        ]
        return "".join(texts)

    def http(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=scaled(3))
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode()
            except http.client.HTTPException as failure:
                raise ConnectionError(f"{path} of node {self.id}: {failure!r}") from failure

    def status(self) -> Status:
        code, body = self.http("/status")
        assert code == 200, f"/status of node {self.id}: {code} {body}"
        status: Status = json.loads(body)
        return status

    def wait_ready(self, timeout: float = 20.0) -> None:
        """Waits until /readyz says ok.

        Ready is a node that hears a leader now: one that the machine held up for longer than an
        election timeout is not, until it has read what came meanwhile.
        """
        wait_until(
            f"node {self.id} is ready", lambda: self.http("/readyz") == (200, "ok\n"), timeout
        )

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name whose labels include the given ones."""
        code, body = self.http("/metrics")
        assert code == 200
        total = 0.0
        for line in body.splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match is None or match[1] != f"paxledger_{name}":
                continue
            found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            if labels.items() <= found.items():
                total += float(match[3])
        return total

    def wait_status(
        self, promise: str, condition: Callable[[Status], object], timeout: float = 20.0
    ) -> Status:
        def look() -> Status | None:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(
                    f"node {self.id} ended with {self.process.returncode}, but: {promise}"
                )
            status = self.status()
            if condition(status):
                return status
            keys = ("role", "leader", "height", "head", "abstaining", "repairing", "damage")
            raise AssertionError({key: status.get(key) for key in keys})

        return wait_until(f"node {self.id}: {promise}", look, timeout)

    def client(self, **options: Any) -> PlainClient:
        """A client that knows this node alone."""
        return self._cluster.adopt(PlainClient([self.endpoint], **options))

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.directory.glob(pattern))


class Cluster:
    """Nodes 1 … size of one cluster.yaml in a folder of their own."""

    def __init__(
        self,
        root: Path,
        size: int = 3,
        *,
        name: str = "e2e",
        fault_injection: bool = True,
        settings: str = "",
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.name = name
        self.data_dir = root / "data"
        self.config = root / "cluster.yaml"
        self._ports = PortBlock()
        self._clients: list[PlainClient] = []
        self.nodes = [Node(identity, self, self._ports) for identity in range(1, size + 1)]
        self.config.write_text(self.yaml(fault_injection, settings), encoding="utf-8")

    def yaml(self, fault_injection: bool, settings: str) -> str:
        nodes = "".join(
            f'  - {{id: {node.id}, peer: "tcp://127.0.0.1:{node.peer_port}", '
            f'client: "tcp://127.0.0.1:{node.client_port}", http: "127.0.0.1:{node.http_port}"}}\n'
            for node in self.nodes
        )
        flag = "fault_injection: true\n" if fault_injection else ""
        return f"cluster: {self.name}\ndata_dir: data\nnodes:\n{nodes}{flag}{settings}"

    def node(self, identity: int) -> Node:
        return self.nodes[identity - 1]

    def others(self, *nodes: Node) -> list[Node]:
        return [node for node in self.nodes if node not in nodes]

    @property
    def endpoints(self) -> list[str]:
        return [node.endpoint for node in self.nodes]

    # --- processes

    def start(self) -> Cluster:
        """Starts all nodes, with an empty history where there is none, and waits."""
        for node in self.nodes:
            node.start(*([] if node.directory.exists() else ["--initialise"]))
        self.wait_serving()
        return self

    def kill(self, nodes: Iterable[Node] | None = None) -> None:
        """kill -9 of all of them at once."""
        chosen = list(self.nodes if nodes is None else nodes)
        for node in chosen:
            os.kill(node.pid, signal.SIGKILL)
        for node in chosen:
            node.wait_exit()

    def stop(self) -> None:
        """Stops all that run, and demands that each ends as it should."""
        running = [node for node in self.nodes if node.running]
        for node in running:
            os.kill(node.pid, signal.SIGCONT)
            os.kill(node.pid, signal.SIGTERM)
        codes = {node.id: node.wait_exit() for node in running}
        assert set(codes.values()) <= {0}, f"exit codes of stopped nodes: {codes}"

    # --- clients

    def adopt(self, client: PlainClient) -> PlainClient:
        self._clients.append(client)
        return client

    def client(self, first: Node | None = None, **options: Any) -> PlainClient:
        """A client that knows all nodes, and asks `first` first."""
        order = ([first] if first else []) + (self.others(first) if first else self.nodes)
        return self.adopt(PlainClient([node.endpoint for node in order], **options))

    def command(
        self,
        *arguments: object,
        timeout: float = 60.0,
        input_text: str = "",
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command line for this cluster."""
        return subprocess.run(
            [str(COMMAND), *map(str, arguments), "-f", str(self.config)],
            capture_output=True,
            text=True,
            timeout=scaled(timeout),
            input=input_text,
            env={**os.environ, **(environment or {})},
            check=False,
        )

    def json(self, *arguments: object, code: int = 0) -> Any:
        run = self.command(*arguments, "-o", "json")
        assert run.returncode == code, f"{arguments}: {run.returncode}\n{run.stdout}\n{run.stderr}"
        return json.loads(run.stdout)

    # --- conditions

    def wait_serving(self, nodes: Iterable[Node] | None = None, timeout: float = 20.0) -> None:
        """Waits until a linearizable read through each of the nodes succeeds."""
        for node in list(self.nodes if nodes is None else nodes):
            client = node.client()

            def answers(node: Node = node, client: PlainClient = client) -> Reply | None:
                if node.process is not None and node.process.poll() is not None:
                    raise RuntimeError(f"node {node.id} ended with {node.process.returncode}")
                reply = client.get(b"?", deadline=0.5)
                assert reply.code in (OK, 1), reply
                return reply

            wait_until(f"node {node.id} serves", answers, timeout)
            client.close()

    def leader(self, nodes: Iterable[Node] | None = None, timeout: float = 15.0) -> Node:
        """The node that says that it leads, and on which all given nodes agree."""
        chosen = list(self.nodes if nodes is None else nodes)

        def agreed() -> Node | None:
            said = {node.status()["leader"] for node in chosen}
            if len(said) != 1 or said == {0}:
                return None
            leader = self.node(said.pop())
            return leader if leader.status()["role"] == "leader" else None

        return wait_until("all agree on a leader", agreed, timeout)

    def wait_same_heads(
        self, nodes: Iterable[Node] | None = None, timeout: float = 30.0
    ) -> tuple[int, str]:
        """Waits until all have the same height and hash, and none is behind or in repair."""
        chosen = list(self.nodes if nodes is None else nodes)

        def same() -> tuple[int, str] | None:
            all_said = [node.status() for node in chosen]
            heads = {(said["height"], said["head"]) for said in all_said}
            busy = [said["node"] for said in all_said if said["repairing"] or said["abstaining"]]
            heights = {said["node"]: said["height"] for said in all_said}
            assert len(heads) == 1 and not busy, f"heights {heights}, in repair {busy}"
            return heads.pop()

        return wait_until("all heads are equal", same, timeout)

    def verify(self) -> list[dict[str, Any]]:
        """What `verify` finds on each running node; demands that nothing is wrong."""
        reports = []
        for node in self.nodes:
            if node.running:
                report = json.loads(node.client().admin("verify").value)
                assert report["ok"], f"node {node.id}: {report}"
                reports.append(report)
        return reports

    def fault(self, node: Node, **order: Any) -> Reply:
        """An order of link faults to one node, e.g. peer=2, block=True."""
        return node.client().admin("fault", json.dumps(order))

    def isolate(self, node: Node) -> None:
        """Cuts every link of the node, in both directions, at its own side."""
        for other in self.others(node):
            reply = self.fault(node, peer=other.id, block=True, block_incoming=True)
            assert reply.code == OK, reply

    def heal(self) -> None:
        for node in self.nodes:
            if node.running:
                reply = self.fault(node, heal=True)
                assert reply.code == OK, reply

    # --- the end

    def log_tails(self, lines: int = 25) -> list[tuple[str, str]]:
        return [
            (f"node {node.id}", "\n".join(node.log_text().splitlines()[-lines:]))
            for node in self.nodes
        ]

    def close(self, check: bool = True) -> None:
        """Ends every process. With `check`, nothing may have gone wrong unnoticed."""
        for client in self._clients:
            client.close()
        ended = {
            node.id: node.process.returncode
            for node in self.nodes
            if node.process is not None and node.process.poll() is not None
        }
        try:
            if check:
                assert not ended, f"nodes that ended by themselves, with their exit codes: {ended}"
                self.stop()
                for node in self.nodes:
                    found = _SANITIZER.search(node.log_text())
                    assert not found, f"node {node.id} wrote: {found.group()}" if found else ""
        finally:
            for node in self.nodes:
                if node.running:
                    node.kill()
            self._ports.close()


def wait_log(node: Node, pattern: str, timeout: float = 15.0) -> re.Match[str]:
    """Waits until the node has written something that matches."""
    return wait_until(
        f"node {node.id} writes /{pattern}/", lambda: re.search(pattern, node.log_text()), timeout
    )
