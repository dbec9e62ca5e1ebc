"""Results that no cluster has made, so that what is computed of them is known beforehand."""

from __future__ import annotations

from typing import Any

from paxledger.lab import Result, Schedule, at
from paxledger.lab.recording import FaultEvent, OperationRecord, Sample
from paxledger.lab.tables import faults_table, heights_table, leaders_table, operations_table


def make_result(
    *,
    duration: float = 10.0,
    faults: list[FaultEvent] | None = None,
    stalls: list[tuple[float, float]] | None = None,
    nodes: int = 3,
    schedule: Schedule | None = None,
    **metadata: Any,
) -> Result:
    """A put and a get every 10 ms, each of 2 ms; those that begin in a stall end 1 ms after it.

    Node 1 leads; nodes do not answer while they are killed.
    """
    faults = faults or []
    record = OperationRecord()
    for number in range(int(duration * 100)):
        start = number / 100
        end = start + 0.002
        for begin, until in stalls or []:
            if begin <= start < until:
                end = until + 0.001
        record.add(start, start, end, "put", f"k{number % 5}", "ok", number + 1, 0, "mixed")
        record.add(start, start, end, "get", f"k{number % 5}", "ok", number, 2, "mixed")
    samples = []
    for tick in range(int(duration * 10)):
        time = tick / 10
        for node in range(1, nodes + 1):
            gone = any(
                each.action == "kill" and each.nodes == (node,)
                and each.end <= time < (duration if each.cleared is None else each.cleared)
                for each in faults
            )  # fmt: skip
            role = "unreachable" if gone else "leader" if node == 1 else "follower"
            height = None if gone else int(time * 100)
            samples.append(Sample(time, node, role, height, 0 if gone else 1, "1.1", not gone))
    return Result(
        operations_table(record),
        faults_table(faults),
        leaders_table(samples, 0.1),
        heights_table(samples),
        {
            "seed": 1,
            "duration": duration,
            "interval": 0.1,
            "schedule": (schedule or at(1.0).heal()).to_list(),
            "notes": [],
            "messages": {},
            **metadata,
        },
    )


def kill(node: int, start: float, cleared: float | None, took: float = 0.01) -> FaultEvent:
    """A kill of a node, as the player notes it."""
    return FaultEvent(
        planned=start,
        start=start,
        end=start + took,
        action="kill",
        target="leader",
        nodes=(node,),
        text=f"kill {node} (leader)",
        breaks=True,
        cleared=cleared,
    )
