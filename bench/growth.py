#!/usr/bin/env python3
"""Whether Paxledger stays as it is while its history grows: three nodes, durable, hour after hour.

    .venv/bin/python bench/growth.py [--minutes M] [--rate R] [--sample S] [--restarts N] [--quick]

Writes at a fixed rate (an open loop) into 10,000 keys, so that the data stays as large as it is and
only the history grows. Each sample is a generator of its own, with percentiles of its own; the
drift of a figure is the slope of the samples by Theil and Sen, which a few disturbed samples do not
move, times the time that they took. A few times one follower is killed and started again, which
gives its start-up time against the length of what it reads. It ends by itself; before it begins it
says how much disk it takes, and refuses where twice as much is not free. What is found goes to
bench/results as JSON, with a plot beside it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import figures
import growth_plot
from clusters import ROOT, START_SECONDS_MAX, Paxledger
from figures import Figure
from generators import Load

# A block's share of one write beside its value, and what a node keeps beside its blocks.
BYTES_BESIDE_A_VALUE = 100
BYTES_OF_A_NODE_MAX = 512 << 20
DRIFT_MAX = 0.10  # of the first fitted value, over the whole run
LATENCY_DRIFT_MAX = 0.20
START_UP_MAX = 1.25  # the last start-up against what the earlier ones let expect


@dataclass(frozen=True)
class Sample:
    """What one generator measured, and what the nodes held at its end."""

    at: float  # seconds since the first one began
    per_second: float
    failed: int
    p50: float  # ms
    p99: float
    cpu_us: float  # of all nodes, for one write
    rss_mib: dict[int, float]
    disk_bytes: int  # of all nodes
    block_bytes: int  # of one node
    height: int


@dataclass(frozen=True)
class StartUp:
    """One start of a node that was killed."""

    block_bytes: int  # that it had to read
    height: int
    restored_ms: float  # its blocks read, verified and applied, by what it says
    ready_seconds: float  # from the start of the process
    rss_mib: float  # when it was level again


@dataclass
class Run:
    """All of it."""

    samples: list[Sample]
    starts: list[StartUp]
    restarted: int  # the node that was restarted again and again


# --- what is concluded; pure functions


def slope_of(times: Sequence[float], values: Sequence[float]) -> float:
    """The slope by Theil and Sen: the median of the slopes between all pairs of points."""
    points = list(zip(times, values, strict=True))
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for place, earlier in enumerate(points)
        for later in points[place + 1 :]
        if later[0] != earlier[0]
    ]
    return statistics.median(slopes) if slopes else 0.0


def line_of(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Slope and value at time 0 of the line by Theil and Sen."""
    slope = slope_of(times, values)
    rests = [value - slope * at for at, value in zip(times, values, strict=True)]
    return slope, statistics.median(rests)


def drift_of(times: Sequence[float], values: Sequence[float]) -> float:
    """By which share of its first value a figure rose from the first time to the last."""
    slope, begin = line_of(times, values)
    first = begin + slope * times[0]
    return slope * (times[-1] - times[0]) / first if first else 0.0


def bend_of(starts: Sequence[StartUp]) -> float:
    """The last start-up against what the line through the earlier ones lets expect; 1: as much.

    Of fewer than three starts it is 1, for two points always lie on a line.
    """
    if len(starts) < 3:
        return 1.0
    *earlier, last = starts
    slope, begin = line_of(
        [one.block_bytes for one in earlier], [one.ready_seconds for one in earlier]
    )
    return last.ready_seconds / (begin + slope * last.block_bytes)


def bytes_of(rate: float, seconds: float, value_bytes: int, nodes: int) -> float:
    """How much disk a run takes at most."""
    return nodes * (rate * seconds * (value_bytes + BYTES_BESIDE_A_VALUE) + BYTES_OF_A_NODE_MAX)


# --- measuring


def size_of(folder: Path) -> int:
    """Octets on disk of the files below it."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # the log is trimmed meanwhile
    return found


def sample(system: Paxledger, load: Load, begin: float) -> Sample:
    """Loads the cluster for a while."""
    found = system.run(load, failures_allowed=True)
    status = system.status(system.leader())
    assert status is not None
    blocks = system.folder / "data" / f"node-{system.leader()}" / "blocks"
    return Sample(
        time.monotonic() - begin,
        found["per_second"],
        found["failed"] + found["unfinished"],
        found["latency_ms"]["p50"],
        found["latency_ms"]["p99"],
        found["cpu_us_per_operation"]["leader"] + found["cpu_us_per_operation"]["followers"],
        {node: process.memory_mib()["rss"] for node, process in system.processes.items()},
        size_of(system.folder),
        size_of(blocks),
        status["height"],
    )


def restart(system: Paxledger, node: int) -> StartUp:
    """Kills a node and starts it again."""
    process = system.processes[node]
    process.kill()
    node_bytes = size_of(system.folder / "data" / f"node-{node}" / "blocks")
    begin = time.monotonic()
    process.start()
    while not system.is_ready(node):
        if not process.running or time.monotonic() > begin + START_SECONDS_MAX:
            raise RuntimeError(f"node {node} does not serve again; see {system.folder}")
        time.sleep(0.01)
    ready = time.monotonic() - begin
    system.wait_until_level()
    log = (system.folder / f"node-{node}.log").read_text(encoding="utf-8")
    height, milliseconds = re.findall(r"restored height (\d+) in (\d+) ms", log)[-1]
    return StartUp(node_bytes, int(height), float(milliseconds), ready, process.memory_mib()["rss"])


def say(one: Sample) -> None:
    """A word on the way, for people."""
    rss = " ".join(f"{mib:.0f}" for mib in one.rss_mib.values())
    print(
        f"{one.at:>7.0f} s  {one.per_second:>8,.0f} /s  p50 {one.p50:.2f}  p99 {one.p99:.2f} ms  "
        f"{one.cpu_us:.1f} µs  {rss} MiB  {one.disk_bytes / 1e9:.2f} GB on disk",
        file=sys.stderr,
        flush=True,
    )


def measure(options: argparse.Namespace, folder: Path) -> Run:
    """The whole run; the first start-up is that of a short history."""
    seconds = 60 * options.minutes
    load = Load(rate=options.rate, seconds=options.sample, warm_up=min(0.5, options.sample / 4))
    with Paxledger(folder) as system:
        system.run(Load(workload="get", seconds=0.5, warm_up=0))  # writes every key once
        run = Run([], [], max(node for node in system.processes if node != system.leader()))
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < seconds:
            if now >= seconds * len(run.starts) / options.restarts:
                run.starts.append(restart(system, run.restarted))
                print(f"{'':>9}  {run.starts[-1]}", file=sys.stderr, flush=True)
            run.samples.append(sample(system, load, begin))
            say(run.samples[-1])
            if shutil.disk_usage(folder).free < BYTES_OF_A_NODE_MAX:
                raise RuntimeError("the disk is nearly full: somebody else fills it, too")
        run.starts.append(restart(system, run.restarted))
    return run


def table_of(run: Run) -> list[Figure]:
    """What the run says. The first sixth is for warming up: maps and buffers fill."""
    samples, starts = run.samples, run.starts
    steady = samples[len(samples) // 6 :]
    times = [one.at for one in steady]
    rows = [
        Figure("drift of the latency, p50", "", LATENCY_DRIFT_MAX, False),
        Figure("drift of the latency, p99", "", LATENCY_DRIFT_MAX, False),
        Figure("drift of the processor time of a write", "", DRIFT_MAX, False),
        Figure("drift of a node's memory, the largest", "", DRIFT_MAX, False),
        Figure("requests that failed", "", 0, False),
        Figure("last start-up", "× expected by the earlier ones", START_UP_MAX, False),
        Figure("start-up, per GB of blocks", "s", None, False),
        Figure("memory of a node, per block of history", "octets", None, False),
        Figure("blocks, per write", "octets", None, False),
    ]
    for row, values in zip(rows, ("p50", "p99", "cpu_us"), strict=False):
        row.rounds = [drift_of(times, [getattr(one, values) for one in steady])]
    stayed = [node for node in steady[0].rss_mib if node != run.restarted]
    rows[3].rounds = [
        max(drift_of(times, [one.rss_mib[node] for one in steady]) for node in stayed)
    ]
    rows[4].rounds = [float(sum(one.failed for one in samples))]
    rows[5].rounds = [bend_of(starts)]
    rows[6].rounds = [
        1e9 * slope_of([one.block_bytes for one in starts], [one.ready_seconds for one in starts])
    ]
    heights = [one.height for one in steady]
    rows[7].rounds = [
        slope_of(heights, [one.rss_mib[node] for one in steady]) * (1 << 20) for node in stayed
    ]
    writes = sum(one.per_second for one in samples[1:]) / (len(samples) - 1)
    elapsed = samples[-1].at - samples[0].at
    rows[8].rounds = [(samples[-1].block_bytes - samples[0].block_bytes) / (writes * elapsed)]
    return rows


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Measures Paxledger as its history grows.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=4000, help="writes per second")
    parser.add_argument("--sample", type=float, default=10, help="seconds of each sample")
    parser.add_argument("--restarts", type=int, default=6, help="of one follower, beside the last")
    parser.add_argument("--quick", action="store_true", help="half a minute, to try it")
    options = parser.parse_args(arguments)
    if options.quick:
        options.minutes, options.sample, options.restarts = 0.5, 2, 2
    return options


def main() -> int:
    """The program; gives its exit code."""
    options = options_of()
    need = bytes_of(options.rate, 60 * options.minutes, Load().value_bytes, 3)
    free = shutil.disk_usage(ROOT / "build").free
    print(
        f"takes up to {need / 1e9:.1f} GB of the disk, {free / 1e9:.1f} GB are free",
        file=sys.stderr,
    )
    if free < 2 * need:
        print(
            "growth: twice that must be free; take fewer --minutes or a lower --rate",
            file=sys.stderr,
        )
        return 1
    machine = figures.machine()
    with tempfile.TemporaryDirectory(prefix="growth.", dir=ROOT / "build") as folder:
        run = measure(options, Path(folder))
    table = table_of(run)
    print(figures.table_of(table))
    path = figures.write(
        "growth",
        {
            "machine": machine,
            "options": vars(options),
            **asdict(run),
            "summary": {row.name: row.summary() for row in table},
        },
    )
    growth_plot.plot(asdict(run), path.with_suffix(".png"))
    print(f"\nwritten to {path.relative_to(ROOT)}, and a plot beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
