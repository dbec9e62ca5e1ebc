"""What a simulated run follows from: its clients, its timing, its network, its faults."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from paxledger import _core
from paxledger.lab.settings import flag_of, number_of, whole_of

NODES_MAX = 9
DURATION_S_MAX = 80_000.0
# What may go wrong by chance.
FAULTS = (
    "crashes",
    "kills",
    "partitions",
    "links",
    "disks",
    "pauses",
    "slow_disks",
    "clocks",
    "bit_flips",
    "disk_errors",
    "full_disks",
    "tampering",
    "forgery",
)
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Workload:
    """What the clients of a simulated cluster do: gets and puts of random keys, in a closed loop.

    Args:
        clients: How many there are; 0 for a cluster that nobody asks.
        think: Seconds between two turns of a client, at most.
        reads: The share of reads, 0 to 1. Of the writes, some delete and some compare.
        keys: How many keys there are.
        pipeline: Operations of one client that are under way at once.
        operations: Of each client; None for as many as there is time for.
        patience: Seconds for which a node is asked at most before a client turns to another one.

    Example:
        >>> Workload(clients=2, reads=0.0).clients
        2
    """

    clients: int = 4
    think: float = 0.02
    reads: float = 0.4
    keys: int = 100
    pipeline: int = 1
    operations: int | None = None
    patience: float = 0.3

    def __post_init__(self) -> None:
        whole_of(self.clients, "clients", 0, 1000)
        number_of(self.think, "think", 1e-6, 3600, "seconds")
        number_of(self.reads, "reads", 0, 1)
        whole_of(self.keys, "keys", 1, 1_000_000)
        whole_of(self.pipeline, "pipeline", 1, 1000)
        if self.operations is not None:
            whole_of(self.operations, "operations", 0, _ENDLESS)
        number_of(self.patience, "patience", 0.005, 3600, "seconds")

    def to_plan(self) -> dict[str, Any]:
        """Returns the part of a plan that says this."""
        return {
            "clients": self.clients,
            "pipeline": self.pipeline,
            "operations": _ENDLESS if self.operations is None else self.operations,
            "think_us_max": _microseconds(self.think),
            "keys": self.keys,
            "reads_percent": round(self.reads * 100),
            "session_ms": 600_000,
            "patience_ms_max": max(5, round(self.patience * 1000)),
        }


@dataclass(frozen=True)
class Timing:
    """The timeouts of the nodes, in seconds, as in cluster.yaml.

    Args:
        heartbeat: From one sign of life to the next.
        election_timeout: So long a leader may be silent before others want to lead.
        resend: After which a message without an answer is sent again.
        batch_wait: So long a batch waits for more commands at most; 0: not at all. At most half of
            `resend`, so that nothing is sent again while it waits.

    Example:
        >>> Timing(heartbeat=0.02, election_timeout=0.2).resend
        0.15
    """

    heartbeat: float = 0.05
    election_timeout: float = 0.4
    resend: float = 0.15
    batch_wait: float = 0.002

    def __post_init__(self) -> None:
        for name in ("heartbeat", "election_timeout", "resend"):
            number_of(getattr(self, name), name, 1e-4, 3600, "seconds")
        number_of(self.batch_wait, "batch_wait", 0, 3600, "seconds")
        if 2 * self.batch_wait > self.resend:
            raise ValueError(
                f"batch_wait is {self.batch_wait:g} s and resend is {self.resend:g} s; expected at "
                "most half of it, so that nothing is sent again while a batch waits"
            )
        if self.election_timeout <= self.heartbeat:
            raise ValueError(
                f"election_timeout is {self.election_timeout:g} s and heartbeat is "
                f"{self.heartbeat:g} s; a leader must be heard of before it counts as silent"
            )

    def to_plan(self) -> dict[str, Any]:
        """Returns the part of a plan that says this."""
        return {
            "heartbeat_us": _microseconds(self.heartbeat),
            "election_timeout_us": _microseconds(self.election_timeout),
            "resend_us": _microseconds(self.resend),
            "batch_wait_us": _microseconds(self.batch_wait),
        }


@dataclass(frozen=True)
class Network:
    """What becomes of messages while nobody disturbs them.

    Args:
        latency: Seconds on the way, at least and at most.
        drop: The probability that a message is lost.
        duplicate: The probability that it arrives twice.
        slow: The probability that it takes twenty times as long.
        in_order: Whether the messages of one link keep their order, as over TCP.

    Example:
        >>> Network(latency=(0.01, 0.012), drop=0.05).in_order
        True
    """

    latency: tuple[float, float] = (0.0001, 0.0006)
    drop: float = 0.0
    duplicate: float = 0.0
    slow: float = 0.0
    in_order: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.latency, (tuple, list)) or len(self.latency) != 2:
            raise TypeError(f"latency is (least, most) in seconds, not {self.latency!r}")
        least, most = (number_of(each, "latency", 1e-6, 3600, "seconds") for each in self.latency)
        if least > most:
            raise ValueError(f"latency is (least, most) in seconds, not {self.latency!r}")
        for name in ("drop", "duplicate", "slow"):
            number_of(getattr(self, name), name, 0, 1)
        flag_of(self.in_order, "in_order")

    def to_plan(self) -> dict[str, Any]:
        """Returns the part of a plan that says this."""
        return {
            "latency_us_min": _microseconds(self.latency[0]),
            "latency_us_max": _microseconds(self.latency[1]),
            "drop_permille": round(self.drop * 1000),
            "duplicate_permille": round(self.duplicate * 1000),
            "slow_permille": round(self.slow * 1000),
            "in_order": self.in_order,
        }


def plan_of(
    *,
    seed: int,
    nodes: int,
    faults: str | Iterable[str] | None,
    faults_every: float,
    workload: Workload | None,
    timing: Timing | None,
    network: Network | None,
    disk: float,
    duration: float = 10.0,
) -> dict[str, Any]:
    """Returns a plan, as cpp/sim/plan_json.hpp has it. Raises TypeError and ValueError."""
    chosen = _kinds_of(faults)
    every = number_of(faults_every, "faults_every", 0.001, 86_400, "seconds")
    for value, kind, name in (
        (workload, Workload, "workload"),
        (timing, Timing, "timing"),
        (network, Network, "network"),
    ):
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is a sim.{kind.__name__}, not {value!r}")
    return {
        "seed": whole_of(seed, "seed", 0, (1 << 64) - 1),
        "misfortunes": bool(chosen),
        "nodes": whole_of(nodes, "nodes", 1, NODES_MAX),
        "safety_phase_ms": max(1, math.ceil(duration * 1000)),
        "timing": (timing or Timing()).to_plan(),
        "network": (network or Network()).to_plan(),
        "disk_us_max": _microseconds(number_of(disk, "disk", 1e-6, 3600, "seconds")),
        "faults": {"every_ms": round(every * 1000), **dict.fromkeys(chosen, True)},
        "work": (workload or Workload()).to_plan(),
    }


def draw_plan(seed: int) -> dict[str, Any]:
    """Returns the hostile plan that a seed stands for, as `paxledger sim --seed` runs it.

    Args:
        seed: From 0 on.

    Example:
        >>> plan = draw_plan(3)
        >>> plan["seed"], plan["nodes"]
        (3, 5)
    """
    drawn = _core.draw_plan(whole_of(seed, "seed", 0, (1 << 64) - 1))
    return dict(json.loads(drawn))


def text_of_plan(plan: str | Mapping[str, Any]) -> str:
    """Returns a plan as JSON. Raises TypeError."""
    if isinstance(plan, str):
        return plan
    if not isinstance(plan, Mapping):
        raise TypeError(f"a plan is JSON or a mapping, as draw_plan gives it, not {plan!r}")
    return json.dumps(dict(plan))


def _kinds_of(faults: str | Iterable[str] | None) -> list[str]:
    if faults is None:
        return []
    if faults == "all":
        return list(FAULTS)
    wanted = [faults] if isinstance(faults, str) else list(faults)
    for kind in wanted:
        if kind not in FAULTS:
            raise ValueError(f'faults are "all" or some of {", ".join(FAULTS)}, not {kind!r}')
    return wanted


def _microseconds(seconds: float) -> int:
    return max(1, round(seconds * 1e6))
