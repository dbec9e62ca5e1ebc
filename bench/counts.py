#!/usr/bin/env python3
"""Counts what a committed write costs each process: three nodes, real sockets and disks.

    .venv/bin/python bench/counts.py [--binaries DIR] [--outstanding N,…] [--json FILE]
    .venv/bin/python bench/counts.py --table BEFORE.json [AFTER.json]

Puts of 256 octets go through the leader in a closed loop. In the middle of it the system's counters
of leader, one follower and client are read twice, and what lies between is divided by the writes
that were decided meanwhile. Counts depend less on what else the machine does than times; but how
many writes share a batch does depend on it, and with it everything that a batch costs.

Three windows of every load: one without any tracing (processor time, context switches, octets,
messages), one in which perf counts system calls, and one, on a cluster of its own, in which
bench/allocations.c stands before malloc and memcpy. Where there is no perf or no compiler, their
rows are left out, and so are instructions where the processor's counters cannot be read:
bench/instructions.json has those of the nodes without sockets and threads.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
from clusters import BIN_DIR, ROOT, TICKS_PER_SECOND, Paxledger
from generators import Load

SOURCE = ROOT / "bench/allocations.c"
PRELOADED = ("allocations", "octets allocated", "copies of 256 octets or more", "octets so copied")
VALUE_BYTES = 256
# System calls by name; `perf stat` counts each of these, and all together.
CALLS = (
    "read write pread64 pwrite64 pwritev pwritev2 writev fdatasync fsync fallocate futex "
    "poll ppoll epoll_wait epoll_pwait epoll_ctl sendto sendmsg recvfrom recvmsg getpid "
    "sched_yield clock_nanosleep madvise mmap munmap mprotect"
).split()
EVENTS = [
    *("instructions:u", "raw_syscalls:sys_enter"),
    *(f"syscalls:sys_enter_{name}" for name in CALLS),
]
ROLES = ("leader", "follower", "client")

Counts = dict[str, float]


# --- what the system counts


def of_process(pid: int) -> Counts:
    """Its totals so far: by the thread's name processor time, and switches, and octets written."""
    found: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text(encoding="utf-8")
        name = fields[fields.index("(") + 1 : fields.rindex(")")]
        times = fields.rpartition(")")[2].split()
        found[f"µs user, {name}"] += round(1e6 * int(times[11]) / TICKS_PER_SECOND)
        found[f"µs system, {name}"] += round(1e6 * int(times[12]) / TICKS_PER_SECOND)
        status = (task / "status").read_text(encoding="utf-8")
        for kind, count in re.findall(
            r"^(voluntary|nonvoluntary)_ctxt_switches:\s+(\d+)", status, re.M
        ):
            found[f"context switches, {kind}"] += int(count)
    for what, count in re.findall(
        r"^(wchar|write_bytes): (\d+)", Path(f"/proc/{pid}/io").read_text(encoding="utf-8"), re.M
    ):
        names = {"wchar": "octets given to write calls", "write_bytes": "octets of pages dirtied"}
        found[names[what]] += int(count)
    found["user µs"] = sum(v for k, v in found.items() if k.startswith("µs user"))
    found["system µs"] = sum(v for k, v in found.items() if k.startswith("µs system"))
    return dict(found)


def of_metrics(text: str) -> Counts:
    """What of a node's metrics is counted, from the text of /metrics."""
    names = {
        "commands_decided_total": "writes",
        "blocks_decided_total": "blocks",
        "wake_ups_total": "turns of the event loop",
        'messages_total{kind="peer_in"}': "peer messages in",
        'messages_total{kind="peer_out"}': "peer messages out",
        "log_sync_seconds_count": "syncs of the log",
        "log_bytes_total": "octets to the log",
        "block_bytes_total": "octets to block files",
    }
    found: Counts = {}
    for line in text.splitlines():
        name, _, value = line.removeprefix("paxledger_").rpartition(" ")
        if name in names:
            found[names[name]] = float(value)
        elif name.startswith("bytes_total{"):
            labels = dict(re.findall(r'(\w+)="(\w+)"', name))
            found["octets of messages, " + " ".join(labels.values())] = float(value)
    return found


def of_preloaded(path: Path) -> Counts:
    """What bench/allocations.c has counted so far."""
    return dict(zip(PRELOADED, map(float, struct.unpack("=4Q", path.read_bytes())), strict=True))


def difference(before: Counts, after: Counts) -> Counts:
    """What was counted in between."""
    return {name: value - before.get(name, 0) for name, value in after.items()}


def of_perf(said: str) -> Counts:
    """What `perf stat -x,` printed; what it could not count is left out."""
    found: Counts = {}
    for line in said.splitlines():
        fields = line.split(",")
        if len(fields) < 3 or not re.fullmatch(r"[\d.]+", fields[0]):
            continue
        name = fields[2].replace("syscalls:sys_enter_", "calls of ")
        found[
            name.replace("raw_calls of ", "").replace("raw_syscalls:sys_enter", "system calls")
        ] = float(fields[0])
    return found


# --- one load


@dataclass
class Windows:
    """A cluster and how long to look at it."""

    system: Paxledger
    seconds: float

    def metrics(self, node: int) -> Counts:
        """A node's metrics."""
        return of_metrics(self.system.metrics(node))

    @contextmanager
    def load(self, outstanding: int, environment: dict[str, str]) -> Iterator[dict[str, int]]:
        """Processes by their role, while the load is on; ends the load's process."""
        leader = self.system.leader()
        load = Load(outstanding=outstanding, seconds=600, warm_up=0)
        generator = subprocess.Popen(
            [*self.system.generator([leader]), *load.options()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        try:
            wait_until(lambda: self.metrics(leader)["writes"] > 0, "the first writes")
            time.sleep(1)  # of warm-up: nothing is concluded from its length
            follower = self.system.follower()
            pids = {"leader": self.system.processes[leader].pid}
            pids["follower"] = self.system.processes[follower].pid
            yield {**pids, "client": generator.pid}
            if generator.poll() is not None:
                raise RuntimeError("the load ended before it was counted")
        finally:
            generator.send_signal(signal.SIGKILL)
            generator.wait()

    def count(self, pids: dict[str, int], read: Callable[[int], Counts]) -> dict[str, Counts]:
        """What every role's process counts within a window, for each write decided in it."""
        nodes = {"leader": self.system.leader(), "follower": self.system.follower()}
        before = {role: read(pid) for role, pid in pids.items()}
        metrics = {role: self.metrics(node) for role, node in nodes.items()}
        time.sleep(self.seconds)
        after = {role: read(pid) for role, pid in pids.items()}
        found = {role: difference(before[role], after[role]) for role in pids}
        for role, node in nodes.items():
            found[role].update(difference(metrics[role], self.metrics(node)))
        return shared_out(found, self.seconds)

    def count_calls(self, pids: dict[str, int]) -> dict[str, Counts]:
        """System calls by name, for each write; and instructions, if the processor counts them."""
        with ThreadPoolExecutor(len(pids)) as pool:
            found = dict(zip(pids, pool.map(self._calls_of, pids.values()), strict=True))
        return {role: shares_of(counts) for role, counts in found.items()}

    def _calls_of(self, pid: int) -> Counts:
        """Those of one process, and the writes that were decided meanwhile."""
        leader = self.system.leader()
        # perf takes its time to attach itself; what it runs starts once it counts.
        window = f"echo; sleep {self.seconds}; echo"
        with subprocess.Popen(
            [
                "perf",
                "stat",
                "-x,",
                "-e",
                ",".join(EVENTS),
                "-p",
                str(pid),
                "--",
                "sh",
                "-c",
                window,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            run.stdout.readline()
            begun = self.metrics(leader)["writes"]
            run.stdout.readline()
            writes = self.metrics(leader)["writes"] - begun
            return {**of_perf(run.stderr.read()), "writes": writes}


def shared_out(found: dict[str, Counts], seconds: float) -> dict[str, Counts]:
    """Totals of a window, for each write that the leader decided in it."""
    writes = found["leader"]["writes"]
    shares = {role: shares_of({**counts, "writes": writes}) for role, counts in found.items()}
    shares["leader"]["writes per second"] = writes / seconds
    return shares


def shares_of(counts: Counts) -> Counts:
    """Totals, for each of the writes among them."""
    writes = counts["writes"]
    if writes <= 0:
        raise RuntimeError("nothing was decided while it was counted")
    return {name: value / writes for name, value in counts.items() if name != "writes"}


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Waits until it has happened; raises RuntimeError after half a minute."""
    end = time.monotonic() + 30
    while not happened():
        if time.monotonic() > end:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.02)


def build_library(path: Path) -> None:
    """Compiles bench/allocations.c."""
    flags = ["-std=c11", "-O2", "-shared", "-fPIC", "-fno-builtin"]
    subprocess.run(["cc", *flags, str(SOURCE), "-o", str(path)], check=True)


def say(what: str) -> None:
    """A word on the way, for people."""
    print(f"counts: {what}", file=sys.stderr, flush=True)


def count_all(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All windows of all loads."""
    found: dict[str, Any] = {"machine": figures.machine(), "per_write": {}}
    if options.of:
        found["machine"]["commit"] = options.of
    has_perf = shutil.which("perf") is not None
    binaries = options.binaries.resolve()
    with Paxledger(folder / "plain", binaries=binaries) as system:
        windows = Windows(system, options.seconds)
        for outstanding in options.outstanding:
            say(f"{outstanding} outstanding")
            with windows.load(outstanding, {}) as pids:
                counted = windows.count(pids, of_process)
                if has_perf:
                    calls = windows.count_calls(pids)
                    for role in ROLES:
                        counted[role].update({**calls[role], **counted[role]})
            found["per_write"][str(outstanding)] = counted
    library = folder / "allocations.so"
    if shutil.which("cc") is None:
        return found
    build_library(library)
    files = folder / "counters"
    files.mkdir()
    environment = {"LD_PRELOAD": str(library), "PAXLEDGER_COUNTS": str(files)}
    with Paxledger(
        folder / "preloaded", environment_of=lambda node: environment, binaries=binaries
    ) as system:
        windows = Windows(system, options.seconds)
        for outstanding in options.outstanding:
            say(f"{outstanding} outstanding, allocations and copies")
            with windows.load(outstanding, environment) as pids:
                counted = windows.count(pids, lambda pid: of_preloaded(files / str(pid)))
            for role in ROLES:
                chosen = {name: counted[role][name] for name in PRELOADED}
                found["per_write"][str(outstanding)][role].update(chosen)
    return found


# --- tables


def number(value: float) -> str:
    """With as many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def rows_of(counts: dict[str, Counts]) -> list[str]:
    """All names that any role has, the most telling first."""
    names = {
        name for role in ROLES for name, value in counts.get(role, {}).items() if value >= 0.005
    }
    first = [
        *("writes per second", "blocks", "instructions:u", "user µs", "system µs"),
        *("context switches, voluntary", "context switches, nonvoluntary", "system calls"),
        *(f"calls of {name}" for name in CALLS),
        *PRELOADED,
        *("peer messages in", "peer messages out", "syncs of the log", "octets to the log"),
        *("octets to block files", "octets given to write calls", "octets of pages dirtied"),
    ]
    return [*(name for name in first if name in names), *sorted(names - set(first))]


def markdown(files: list[dict[str, Any]]) -> str:
    """The counts of each load; before and after, if there are two files."""
    lines: list[str] = []
    for outstanding in files[0]["per_write"]:
        loads = [file["per_write"].get(outstanding, {}) for file in files]
        lines += ["", f"**{int(outstanding):,} outstanding**", ""]
        lines += ["| for each write | " + " | ".join(ROLES) + " |", "|---" * 4 + "|"]
        names = list(dict.fromkeys(name for load in loads for name in rows_of(load)))
        for name in names:
            cells = []
            for role in ROLES:
                values = [load.get(role, {}).get(name) for load in loads]
                texts = ["–" if value is None else number(value) for value in values]
                cells.append("" if set(texts) == {"–"} else " → ".join(texts))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines).strip()


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Counts what a committed write costs.")
    parser.add_argument(
        "--binaries", type=Path, default=BIN_DIR, help="folder of paxledgerd and paxledger"
    )
    parser.add_argument("--of", help="the commit that these were built of, if not this one")
    parser.add_argument(
        "--outstanding",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[1, 64, 1000],
    )
    parser.add_argument("--seconds", type=float, default=3, help="of each window")
    parser.add_argument(
        "--json", type=Path, help="where to; by default a new file of bench/results"
    )
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="print these instead")
    options = parser.parse_args(arguments)
    if options.table and len(options.table) > 2:
        parser.error("--table takes one file, or one of before and one of after")
    return options


def main() -> int:
    """The program; gives its exit code."""
    options = options_of()
    if options.table:
        files = [json.loads(path.read_text(encoding="utf-8")) for path in options.table]
        print(markdown(files))
        return 0
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="counts.", dir=ROOT / "build") as folder:
        found = count_all(options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        path = options.json
    else:
        path = figures.write("counts", found)
    print(markdown([found]))
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
