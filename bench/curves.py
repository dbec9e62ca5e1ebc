#!/usr/bin/env python3
"""How Paxledger scales on this machine: what each load does as one thing grows.

    .venv/bin/python bench/curves.py [--curves NAME,…] [--seconds S] [--keys-max N] [--quick]

Each curve changes one thing of the load of the comparison with etcd (three nodes, puts of 256
octets, 10,000 keys, 64 outstanding on 16 connections): how many are outstanding, the size of a
value, the number of keys, of nodes, of connections, the share of reads, and last the rate of an
open loop, as shares of the maximum. Each point takes --seconds and a few more, on a cluster of its
own, so all of it takes some minutes. Only a map of --keys-max keys has to be filled first: ten
million of them take minutes more, and gigabytes of memory and disk for each node. Results go to
bench/results as JSON, with a plot beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import figures
from clusters import ROOT, Paxledger, System
from generators import Load

OPEN_LOOP_SHARES = (0.25, 0.5, 0.75, 0.9)
# So many octets are under way at most: what is outstanding shrinks as values grow.
OCTETS_UNDER_WAY_MAX = 16 << 20


@dataclass(frozen=True)
class Curve:
    """What changes, and the load at each of its values."""

    title: str
    values: Sequence[float]
    load: Callable[[Load, float], Load]
    nodes: Callable[[float], int] = lambda value: 3
    logarithmic: bool = True
    fills: bool = False  # whether every key is written before the load begins


def with_value_bytes(load: Load, value: float) -> Load:
    """Larger values, and fewer of them under way."""
    outstanding = max(1, min(load.outstanding, OCTETS_UNDER_WAY_MAX // int(value)))
    return replace(load, value_bytes=int(value), outstanding=outstanding)


def with_connections(load: Load, value: float) -> Load:
    """As many requests outstanding as connections, but at least as many as without."""
    return replace(load, connections=int(value), outstanding=max(load.outstanding, int(value)))


CURVES = {
    "outstanding": Curve(
        "requests outstanding",
        [4**power for power in range(7)],
        lambda load, value: replace(load, outstanding=int(value)),
    ),
    "value": Curve("octets of a value", [4**power for power in range(2, 11)], with_value_bytes),
    "keys": Curve(
        "keys",
        [1e4, 1e5, 1e6, 1e7],
        lambda load, value: replace(load, keys=int(value)),
        fills=True,
    ),
    "nodes": Curve(
        "nodes", [1, 3, 5, 7, 9], lambda load, value: load, lambda value: int(value), False
    ),
    "reads": Curve(
        "share of reads",
        [0, 0.5, 1],
        lambda load, value: replace(load, workload={0: "put", 0.5: "mixed", 1: "get"}[value]),
        logarithmic=False,
    ),
    "connections": Curve("connections", [1, 4, 16, 64, 256, 1000], with_connections),
}
OPEN_LOOP = "open-loop"


@contextmanager
def running(nodes: int) -> Iterator[System]:
    """A new cluster; its data is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="curves.", dir=ROOT / "build") as folder,
        Paxledger(Path(folder), nodes) as system,
    ):
        yield system


def measure(system: System, load: Load) -> dict[str, Any]:
    """One point: what the generator says, and what the nodes hold afterwards."""
    # A request that a node refuses where the load is too much is a part of the curve.
    found = system.run(load, failures_allowed=True)
    found["memory_mib"] = system.memory_mib()
    return found


def say(curve: str, value: float, found: dict[str, Any]) -> None:
    """A word on the way, for people."""
    latency = found["latency_ms"]
    print(
        f"{curve:<12} {value:>12g}  {found['per_second']:>10,.0f} /s  p50 {latency['p50']:>8.2f}"
        f"  p99 {latency['p99']:>8.2f}  p99.9 {latency['p99.9']:>8.2f} ms"
        + ("" if found["ok"] else f"  failed {found['failed']:,}"),
        flush=True,
    )


def measure_curve(name: str, base: Load, values: Sequence[float]) -> list[dict[str, Any]]:
    """The points of a curve, each on a cluster of its own: none pays for what another wrote."""
    curve = CURVES[name]
    points = []
    for value in values:
        with running(curve.nodes(value)) as system:
            load = curve.load(base, value)
            if curve.fills:  # a load of gets writes every key before it begins
                system.run(replace(load, workload="get", seconds=0.1, warm_up=0))
            found = measure(system, load)
        say(name, value, found)
        points.append({"value": value, **found})
    return points


def measure_open_loop(base: Load) -> list[dict[str, Any]]:
    """How long requests take that come at fixed times, at shares of the maximum."""
    points = []
    with running(3) as system:
        maximum = measure(system, replace(base, outstanding=1024))["per_second"]
        for share in OPEN_LOOP_SHARES:
            found = measure(system, replace(base, rate=max(1, round(share * maximum))))
            say(OPEN_LOOP, share, found)
            points.append({"value": share, **found})
    return points


def plot(curves: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Throughput and latency of every curve."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, all_axes = pyplot.subplots(
        len(curves), 2, figsize=(10, 2.6 * len(curves)), layout="constrained", squeeze=False
    )
    for (name, points), (left, right) in zip(curves.items(), all_axes, strict=True):
        values = [point["value"] for point in points]
        left.plot(values, [point["per_second"] for point in points], marker="o")
        left.set_ylabel("per second")
        left.set_ylim(bottom=0)
        for percentile in ("p50", "p99", "p99.9"):
            latencies = [point["latency_ms"][percentile] for point in points]
            right.plot(values, latencies, marker="o", label=percentile)
        right.set_ylabel("latency, ms")
        right.set_yscale("log")
        right.legend()
        known = CURVES.get(name)
        for axes in (left, right):
            axes.set_xlabel(known.title if known else "open loop: share of the maximum")
            if known and known.logarithmic:
                axes.set_xscale("log")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def chosen(values: Sequence[float], bound: float) -> list[float]:
    """The values of a curve up to a bound; says what it leaves out."""
    left_out = [value for value in values if value > bound]
    if left_out:
        print(f"left out: {', '.join(f'{value:g}' for value in left_out)}", flush=True)
    return [value for value in values if value <= bound]


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    names = [*CURVES, OPEN_LOOP]
    parser = argparse.ArgumentParser(description="Measures how Paxledger scales.")
    parser.add_argument("--curves", default=",".join(names), help="which, with commas")
    parser.add_argument("--seconds", type=float, default=4, help="of each point")
    parser.add_argument("--keys-max", type=float, default=1e6, help="of the curve of keys")
    parser.add_argument("--quick", action="store_true", help="a short look at a few points")
    options = parser.parse_args(arguments)
    options.curves = options.curves.split(",")
    if unknown := set(options.curves) - set(names):
        parser.error(f"no such curve: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if options.quick:
        options.seconds, options.keys_max = 0.5, 1e5
    return options


def main() -> int:
    """The program; gives its exit code."""
    options = options_of()
    base = Load(seconds=options.seconds, warm_up=options.seconds / 4)
    found: dict[str, Any] = {"machine": figures.machine(), "options": vars(options), "curves": {}}
    for name in options.curves:
        if name == OPEN_LOOP:
            found["curves"][name] = measure_open_loop(base)
            continue
        values = list(CURVES[name].values)
        if name == "keys":
            values = chosen(values, options.keys_max)
        if options.quick:
            values = [values[0], values[-1]]
        found["curves"][name] = measure_curve(name, base, values)
    path = figures.write("curves", found)
    plot(found["curves"], path.with_suffix(".png"))
    print(f"\nwritten to {path.relative_to(ROOT)}, and a plot beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
