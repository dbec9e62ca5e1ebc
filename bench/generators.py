"""Load generators: what they are asked for, and what they print.

`paxledger bench` and `bench/etcd_load` take the same options and print the same JSON.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

CONNECTIONS_MAX = 256  # of one generator to one node


@dataclass(frozen=True)
class Load:
    """What a load generator is asked for. A rate makes it an open loop."""

    workload: str = "put"
    outstanding: int = 64
    rate: float = 0
    seconds: float = 10
    warm_up: float = 1
    connections: int = 16
    value_bytes: int = 256
    keys: int = 10_000
    deadline: float = 5
    generators: int = 1  # processes, of which each has a session of its own
    outstanding_max: int = 0  # of each generator, in an open loop; 0: its default
    nice: int = 0  # generators that are nice take what of the processors the nodes leave

    def options(self) -> list[str]:
        """The options that both generators share."""
        return [
            f"--workload={self.workload}",
            f"--rate={self.rate:g}" if self.rate else f"--outstanding={self.outstanding}",
            f"--value-bytes={self.value_bytes}",
            f"--keys={self.keys}",
            f"--connections={self.connections}",
            f"--duration={round(self.seconds * 1000)}ms",
            f"--warm-up={round(self.warm_up * 1000)}ms",
            f"--deadline={round(self.deadline * 1000)}ms",
            *([f"--outstanding-max={self.outstanding_max}"] if self.outstanding_max else []),
        ]

    def parts(self) -> list[Load]:
        """The same load by as many generators as are wanted, or it takes for its connections."""
        count = max(self.generators, -(-self.connections // CONNECTIONS_MAX))
        return [
            replace(
                self,
                connections=max(1, (self.connections + number) // count),
                outstanding=max(1, (self.outstanding + number) // count),
                rate=self.rate / count,
            )
            for number in range(count)
        ]


def children_cpu_seconds() -> float:
    """Processor time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """What several generators measured at the same time: sums, and the worst of the latencies."""
    found = dict(parts[0])
    found["ok"] = all(part["ok"] for part in parts)
    for name in ("begun", "completed", "failed", "unfinished", "per_second", "connections"):
        if name in found:  # etcd's generator tells less
            found[name] = sum(part[name] for part in parts)
    found["latency_ms"] = {
        name: max(part["latency_ms"][name] for part in parts) for name in found["latency_ms"]
    }
    found["warm_up"] = {"completed": sum(part["warm_up"]["completed"] for part in parts)}
    found["errors"] = dict(sum((Counter(part.get("errors", {})) for part in parts), Counter()))
    return found


def run_generator(
    command: list[str],
    when_under_way: Callable[[], None] | None = None,
    failures_allowed: bool = False,
) -> dict[str, Any]:
    """What a load generator printed.

    Raises RuntimeError if nothing was measured, or if a request failed and that is not allowed.
    """
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if when_under_way and re.match(r"\s*\d+\.\d s ", line):
                when_under_way()
                when_under_way = None
        printed = process.stdout.read()
    measured = '"per_second"' in printed
    if not measured or (process.returncode != 0 and not failures_allowed):
        raise RuntimeError(f"{' '.join(command)}: {''.join(said)[-2000:]}{printed[-2000:]}")
    found: dict[str, Any] = json.loads(printed)
    return found
