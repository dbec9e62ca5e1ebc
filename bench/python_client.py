#!/usr/bin/env python3
"""Measures the Python client next to the C++ client, on the same three local nodes.

    .venv/bin/python bench/python_client.py [--rounds N] [--seconds S] [--check]

Latency: rounds of blocking puts, one at a time, by `paxledger bench` (the C++ client) and by Python
take turns, so that whatever else the machine does hits both. Throughput: 256 puts under way, by
futures, by asyncio, and by `paxledger bench`. Each round gives a ratio; printed are medians. All
clients ask the leader. With --check the exit code is 1 if a figure misses its goal.

The data lies under build/ and not in /tmp, which may be memory, where a sync costs nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paxledger
from paxledger import aio
from paxledger.cluster import Cluster
from paxledger.programs import find_program

ROOT = Path(__file__).resolve().parents[1]
OUTSTANDING = 256
KEYS = 10_000
VALUE = b"v" * 256
LATENCY_RATIO_MAX = 1.25
PUTS_PER_SECOND_MIN = 25_000


def keys() -> Iterator[str]:
    """The keys of a round, over and over."""
    return itertools.cycle([f"key-{number:08}" for number in range(KEYS)])


def cpp(cluster: Cluster, outstanding: int, seconds: float) -> dict[str, Any]:
    """What `paxledger bench` finds."""
    command = [find_program("paxledger"), "bench", "-f", cluster.file, "-o", "json"]
    command += ["--outstanding", str(outstanding), "--value-bytes", str(len(VALUE))]
    command += ["--duration", f"{round(seconds * 1000)}ms", "--warm-up", "200ms"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def blocking_ms(db: paxledger.Client, seconds: float) -> float:
    """The median latency of a put."""
    taken = []
    end = time.perf_counter() + seconds
    for key in keys():
        begin = time.perf_counter()
        if begin >= end:
            break
        db.put(key, VALUE)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1000


def futures_per_second(db: paxledger.Client, seconds: float) -> float:
    """Puts per second with a window of futures."""
    put = db.pipelined.put
    window: deque[paxledger.Future[int]] = deque()
    count = 0
    begin = time.perf_counter()
    for key in keys():
        if len(window) == OUTSTANDING:
            window.popleft().result()
            count += 1
            if count % 256 == 0 and time.perf_counter() - begin >= seconds:
                break
        window.append(put(key, VALUE))
    took = time.perf_counter() - begin
    paxledger.wait(window)
    return count / took


def asyncio_per_second(endpoints: list[str], seconds: float) -> float:
    """Puts per second of 256 tasks that await one put after the other."""

    async def measure() -> float:
        all_keys = keys()
        end = time.perf_counter() + seconds

        async def work() -> int:
            count = 0
            while time.perf_counter() < end:
                await db.put(next(all_keys), VALUE)
                count += 1
            return count

        async with aio.connect(endpoints) as db:
            await db.put("first", VALUE)
            begin = time.perf_counter()
            counts = await asyncio.gather(*(work() for _ in range(OUTSTANDING)))
            return sum(counts) / (time.perf_counter() - begin)

    return asyncio.run(measure())


def leader_first(cluster: Cluster) -> list[str]:
    """The endpoints, the leader's first."""
    leader = cluster.wait_for_leader()
    nodes = sorted(cluster.nodes, key=lambda node: node.id != leader)
    return [node.endpoint for node in nodes]


def say(what: str, figure: str) -> None:
    """Prints a line of the table."""
    print(f"{what:<46} {figure}", flush=True)


def measure(cluster: Cluster, rounds: int, seconds: float) -> bool:
    """Measures and prints; gives whether every goal was met."""
    endpoints = leader_first(cluster)
    figures: dict[str, list[float]] = {}
    with paxledger.connect(endpoints) as db:
        blocking_ms(db, 0.5)
        for _ in range(rounds):
            turn: dict[str, Callable[[], float]] = {
                "C++ latency": lambda: float(cpp(cluster, 1, seconds)["latency_ms"]["p50"]),
                "Python latency": lambda: blocking_ms(db, seconds),
                "C++ rate": lambda: float(cpp(cluster, OUTSTANDING, seconds)["per_second"]),
                "futures": lambda: futures_per_second(db, seconds),
                "asyncio": lambda: asyncio_per_second(endpoints, seconds),
            }
            for name, figure in turn.items():
                figures.setdefault(name, []).append(figure())
    pairs = zip(figures["Python latency"], figures["C++ latency"], strict=True)
    ratio = statistics.median(python / plain for python, plain in pairs)
    middle = {name: statistics.median(found) for name, found in figures.items()}
    say("blocking put, C++", f"{middle['C++ latency']:.3f} ms")
    say("blocking put, Python", f"{middle['Python latency']:.3f} ms")
    say("  ratio (at most 1.25)", f"{ratio:.2f}")
    say("256 puts under way, C++", f"{middle['C++ rate']:,.0f} /s")
    say("256 puts under way, futures (at least 25,000)", f"{middle['futures']:,.0f} /s")
    say("256 puts under way, asyncio (at least 25,000)", f"{middle['asyncio']:,.0f} /s")
    fast = max(middle["futures"], middle["asyncio"]) >= PUTS_PER_SECOND_MIN
    return ratio <= LATENCY_RATIO_MAX and fast


def main() -> int:
    """The program; gives its exit code."""
    parser = argparse.ArgumentParser(description="Measures the Python client.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each figure of a round")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"{os.cpu_count()} cores; Python {version}; {options.rounds} rounds; three nodes")
    with (
        tempfile.TemporaryDirectory(prefix="bench.", dir=ROOT / "build") as folder,
        Cluster.local(nodes=3, directory=folder) as cluster,
    ):
        met = measure(cluster, options.rounds, options.seconds)
    return 0 if met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
