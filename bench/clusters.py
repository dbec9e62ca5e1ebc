"""Two clusters of three nodes on this machine: Paxledger's, and etcd's to compare it with.

Both are driven by the same calls: started, loaded by a generator of their own with the same
parameters, killed, started again. The nodes are processes that do not outlive this interpreter. All
addresses are loopback; the data of both lies below one folder, on one disk, and both sync every
write before they acknowledge it, as they do by default.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from generators import Load, children_cpu_seconds, run_generator, together

ROOT = Path(__file__).resolve().parents[1]
BIN_DIR = Path(os.environ.get("PAXLEDGER_BIN_DIR", ROOT / "build/bin")).resolve()
ETCD_LOAD = ROOT / "build/bench/etcd_load"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 120.0
# Below the ports that the system gives to outgoing connections.
PORTS = iter(range(24_000, 32_000))


def free_port() -> int:
    """A loopback port on which nobody listens, given out once."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port is left between 24000 and 32000")


class Process:
    """One node. Its memory and processor time are those that the system counts."""

    def __init__(
        self, node: int, command: list[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.node = node
        self._command = command
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        """Starts it; does not wait until it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kills it, if it runs, and waits for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """Stops it in the middle of whatever it does; its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _file(self, name: str) -> str:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/{name}").read_text(encoding="utf-8")

    def cpu_seconds(self) -> float:
        """Processor time since it started."""
        fields = self._file("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mib(self) -> dict[str, float]:
        """Resident memory, and what of it is no file."""
        sizes = dict(re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", self._file("status"), re.M))
        return {"rss": int(sizes["VmRSS"]) / 1024, "anonymous": int(sizes["RssAnon"]) / 1024}


AnySystem = TypeVar("AnySystem", bound="System")


class System(ABC):
    """A cluster; a context manager that starts it and, in the end, kills it."""

    name: str

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.clients = {node: free_port() for node in range(1, nodes + 1)}
        self.processes: dict[int, Process] = {}

    @property
    @abstractmethod
    def version(self) -> str:
        """What the program says of itself."""

    @abstractmethod
    def is_ready(self, node: int) -> bool:
        """Whether the node says that it serves."""

    @abstractmethod
    def is_leader(self, node: int) -> bool:
        """Whether the node says that it leads."""

    @abstractmethod
    def generator(self, nodes: list[int]) -> list[str]:
        """The load generator that asks the given nodes."""

    first_flags: tuple[str, ...] = ()
    # A member of etcd that lost its leader keeps a request for up to seven seconds before it gives
    # up; whoever wants to know when there is service again asks again sooner. Paxledger's client
    # does so by itself.
    impatience: tuple[str, ...] = ()

    def __enter__(self: AnySystem) -> AnySystem:
        """Starts the nodes for the first time."""
        for process in self.processes.values():
            process.start(*self.first_flags)
        self.wait_until_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kills the nodes."""
        for process in self.processes.values():
            process.kill()

    def _get(self, port: int, path: str, body: str | None = None) -> tuple[int, str]:
        """An answer over HTTP; (0, "") if nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Waits until every node serves."""
        end = time.monotonic() + START_SECONDS_MAX
        for node, process in self.processes.items():
            while not self.is_ready(node):
                if not process.running or time.monotonic() > end:
                    raise RuntimeError(
                        f"{self.name}: node {node} does not serve; see {self.folder}"
                    )
                time.sleep(0.02)

    def leader(self) -> int:
        """The node that leads, once there is one."""
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end:
            for node in self.processes:
                if self.is_leader(node):
                    return node
            time.sleep(0.02)
        raise RuntimeError(f"{self.name}: nobody leads; see {self.folder}")

    def follower(self) -> int:
        """A node that does not lead."""
        leader = self.leader()
        return next(node for node in self.processes if node != leader)

    # --- measurements

    def run(self, load: Load, via: list[int] | None = None, **more: Any) -> dict[str, Any]:
        """Loads the given nodes, by default the leader.

        Gives what the generator printed, and the processor time of an operation: of the leader, of
        all followers together, and of the generator. `more` is for run_generator().
        """
        leader = self.leader()
        before = {node: process.cpu_seconds() for node, process in self.processes.items()}
        generator_before = children_cpu_seconds()
        generator = ["nice", "-n", str(load.nice), *self.generator(via or [leader])]
        parts = load.parts()
        with ThreadPoolExecutor(len(parts)) as pool:
            runs = [
                pool.submit(run_generator, [*generator, *part.options()], **more) for part in parts
            ]
            found = together([run.result() for run in runs])
        count = max(1, found["completed"])
        spent = {
            node: process.cpu_seconds() - before[node]
            for node, process in self.processes.items()
            if process.running
        }
        # What was spent in the warm-up is shared out among its requests as well.
        count += found["warm_up"]["completed"]
        found["cpu_us_per_operation"] = {
            "leader": 1e6 * spent.get(leader, 0) / count,
            "followers": 1e6 * sum(spent.values()) / count - 1e6 * spent.get(leader, 0) / count,
            "generator": 1e6 * (children_cpu_seconds() - generator_before) / count,
        }
        return found

    def gap_ms(self) -> float:
        """How long a client that knows all nodes waits when the leader is killed.

        One write after the other; the gap is the longest time from asking to the acknowledgement.
        """
        leader = self.leader()
        load = Load(outstanding=1, connections=1, seconds=3, warm_up=0, deadline=30)
        kill = self.processes[leader].kill
        found = run_generator(
            [
                *self.generator(sorted(self.processes, key=lambda node: node != leader)),
                *self.impatience,
                *load.options(),
            ],
            when_under_way=kill,
        )
        self.processes[leader].start()
        self.wait_until_ready()
        self.run(replace(load, seconds=0.2))  # the new leader has served, the old one is back
        return float(found["latency_ms"]["max"])

    def restart_ms(self) -> float:
        """Kills all nodes and starts them; how long until one of them says that it serves."""
        for process in self.processes.values():
            process.kill()
        served = threading.Event()
        found: list[float] = []

        def watch(node: int) -> None:
            while not served.is_set():
                if self.is_ready(node):
                    found.append(time.perf_counter())
                    served.set()
                time.sleep(0.005)

        watchers = [threading.Thread(target=watch, args=(node,)) for node in self.processes]
        begin = time.perf_counter()
        for process in self.processes.values():
            process.start()
        for watcher in watchers:
            watcher.start()
        if not served.wait(START_SECONDS_MAX):
            served.set()
            raise RuntimeError(f"{self.name}: does not serve again; see {self.folder}")
        for watcher in watchers:
            watcher.join()
        self.wait_until_ready()
        return 1000 * (min(found) - begin)

    def memory_mib(self) -> dict[str, float]:
        """The mean of the nodes."""
        all_sizes = [process.memory_mib() for process in self.processes.values()]
        return {
            kind: sum(sizes[kind] for sizes in all_sizes) / len(all_sizes) for kind in all_sizes[0]
        }


class Paxledger(System):
    """paxledgerd at its defaults, by default the one of BIN_DIR."""

    name = "paxledger"
    first_flags = ("--initialise",)

    def __init__(
        self,
        folder: Path,
        nodes: int = 3,
        environment_of: Callable[[int], Mapping[str, str]] = lambda node: {},
        binaries: Path = BIN_DIR,
        timing: str = "",
    ) -> None:
        super().__init__(folder, nodes)
        self._binaries = binaries
        self._http = {node: free_port() for node in self.clients}
        lines = ["cluster: bench", "data_dir: data", "nodes:"]
        for node, port in self.clients.items():
            lines.append(
                f'  - {{id: {node}, peer: "127.0.0.1:{free_port()}", '
                f'client: "127.0.0.1:{port}", http: "127.0.0.1:{self._http[node]}"}}'
            )
        if timing:
            lines.append(f"timing: {{{timing}}}")
        configuration = self.folder / "cluster.yaml"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        daemon = str(binaries / "paxledgerd")
        for node in self.clients:
            command = [daemon, "--config", str(configuration), "--node", str(node)]
            log = self.folder / f"node-{node}.log"
            self.processes[node] = Process(node, command, log, environment_of(node))

    @property
    def version(self) -> str:
        """What the program says of itself."""
        command = [str(self._binaries / "paxledgerd"), "--version"]
        said = subprocess.run(command, capture_output=True, text=True)
        return said.stdout.strip()

    def is_ready(self, node: int) -> bool:
        """Whether the node says that it serves."""
        return self._get(self._http[node], "/readyz")[0] == 200

    def is_leader(self, node: int) -> bool:
        """Whether the node says that it leads."""
        return (self.status(node) or {}).get("role") == "leader"

    def status(self, node: int) -> dict[str, Any] | None:
        """What the node says of itself; None if it does not answer."""
        code, text = self._get(self._http[node], "/status")
        return json.loads(text) if code == 200 else None

    def metrics(self, node: int) -> str:
        """What the node's /metrics says; empty if it does not answer."""
        return self._get(self._http[node], "/metrics")[1]

    def log_syncs(self, node: int) -> tuple[int, float]:
        """How often the node has written to its log, and the seconds that it took in all."""
        lines = self.metrics(node)
        found = dict(re.findall(r"^paxledger_log_sync_seconds_(count|sum) (\S+)$", lines, re.M))
        return int(found["count"]), float(found["sum"])

    def wait_until_level(self) -> float:
        """Waits until all nodes stand at one height; gives the seconds that it took.

        Nobody may be writing meanwhile.
        """
        begin = time.monotonic()
        while time.monotonic() < begin + START_SECONDS_MAX:
            all_status = [self.status(node) for node in self.processes]
            heights = {status["height"] if status else None for status in all_status}
            if len(heights) == 1 and None not in heights:
                return time.monotonic() - begin
            time.sleep(0.05)
        raise RuntimeError(f"{self.name}: the nodes do not reach one height; see {self.folder}")

    def generator(self, nodes: list[int]) -> list[str]:
        """The load generator that asks the given nodes."""
        endpoints = ",".join(f"tcp://127.0.0.1:{self.clients[node]}" for node in nodes)
        return [str(self._binaries / "paxledger"), "bench", "-o", "json", "--endpoints", endpoints]


class Etcd(System):
    """etcd at its defaults, but for room for all that a run writes."""

    name = "etcd"
    impatience = ("--attempt=100ms",)

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        super().__init__(folder, nodes)
        peers = {node: f"http://127.0.0.1:{free_port()}" for node in self.clients}
        members = ",".join(f"node{node}={peer}" for node, peer in peers.items())
        for node, port in self.clients.items():
            client = f"http://127.0.0.1:{port}"
            options = {
                "name": f"node{node}",
                "data-dir": str(self.folder / f"node-{node}"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peers[node],
                "initial-advertise-peer-urls": peers[node],
                "initial-cluster": members,
                "initial-cluster-token": str(self.folder),
                # The default, 2 GB, is less than what the load writes in all.
                "quota-backend-bytes": str(8 << 30),
                "logger": "zap",
                "log-level": "error",
            }
            command = ["etcd", *(f"--{option}={value}" for option, value in options.items())]
            self.processes[node] = Process(node, command, self.folder / f"node-{node}.log")

    @property
    def version(self) -> str:
        """What the program says of itself."""
        said = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True)
        return said.stdout.splitlines()[0]

    def is_ready(self, node: int) -> bool:
        """Whether the node says that it serves."""
        code, text = self._get(self.clients[node], "/health")
        return code == 200 and json.loads(text)["health"] == "true"

    def is_leader(self, node: int) -> bool:
        """Whether the node says that it leads."""
        code, text = self._get(self.clients[node], "/v3/maintenance/status", "{}")
        if code != 200:
            return False
        status = json.loads(text)
        return bool(status.get("leader") == status["header"]["member_id"])

    def generator(self, nodes: list[int]) -> list[str]:
        """The load generator that asks the given nodes."""
        endpoints = ",".join(f"127.0.0.1:{self.clients[node]}" for node in nodes)
        return [str(ETCD_LOAD), "--endpoints", endpoints]
