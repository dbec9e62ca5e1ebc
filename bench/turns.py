#!/usr/bin/env python3
"""Compares several builds of Paxledger, and etcd if wanted, in turns: what did a change bring?

    .venv/bin/python bench/turns.py [OPTION…] NAME=FOLDER[:KEY=VALUE,…]… [etcd]

Each build is a folder with paxledgerd and paxledger, as build/bin is; a copy of it, made before a
change, is what to compare with. Keys are those of `timing` in cluster.yaml, e.g. batch_wait=0ms,
so that settings can be compared too. All clusters run beside each other the whole time, and every
load is put on one after the other, in every other round in the opposite order; whoever is not asked
has next to nothing to do. Loads are written so:

    put:64              puts, 64 under way all the time; get: linearizable gets; mixed: half of each
    put:64:follower     the same through a node that does not lead
    put@4000            4,000 begin each second, by ten clients that know nothing of each other

It prints the medians of the rounds, and the rates as multiples of the first build's in one round.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import figures
from clusters import ROOT, Etcd, Paxledger, System
from generators import Load

# The clients of an open loop: as many processes, with sessions of their own.
CLIENTS = 10
LOADS = "put:1,put:4,put:16,put:64,put:64:follower,put:1000,get:64,put@4000"


@dataclass(frozen=True)
class Asked:
    """A load, and whom it asks."""

    name: str
    load: Load
    through_follower: bool


@dataclass(frozen=True)
class Figures:
    """What one load gave in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    batch: float


def asked(name: str, base: Load) -> Asked:
    """The load that is written so. Raises ValueError if none is."""
    found = re.fullmatch(r"(put|get|mixed)(?::(\d+)|@(\d+))(:follower)?", name)
    if found is None:
        raise ValueError(f'"{name}" is no load; expected put:64, get:64:follower, put@4000, …')
    workload, outstanding, rate, follower = found.groups()
    load = replace(base, workload=workload)
    if rate:
        load = replace(load, rate=float(rate), generators=CLIENTS, connections=CLIENTS)
    else:
        load = replace(load, outstanding=int(outstanding))
    return Asked(name, load, follower is not None)


def decided(system: System) -> tuple[float, float]:
    """The commands and the blocks that the leader has decided; zeros of etcd."""
    if not isinstance(system, Paxledger):
        return 0, 0
    lines = system.metrics(system.leader())
    found = dict(re.findall(r"^paxledger_(commands|blocks)_decided_total (\S+)$", lines, re.M))
    return float(found["commands"]), float(found["blocks"])


def measure(system: System, what: Asked) -> Figures:
    """Puts one load on one system."""
    before = decided(system)
    via = system.follower() if what.through_follower else system.leader()
    found = system.run(what.load, [via])
    commands, blocks = (b - a for a, b in zip(before, decided(system), strict=True))
    return Figures(
        found["per_second"],
        found["latency_ms"]["p50"],
        found["latency_ms"]["p99"],
        sum(found["cpu_us_per_operation"].values()),
        commands / blocks if blocks else 0,
    )


def parts_of(text: str) -> tuple[str, Path, str]:
    """Name, folder and settings of a build that is written so."""
    name, _, rest = text.partition("=")
    folder, _, settings = rest.partition(":")
    timing = ", ".join(
        ": ".join(setting.split("=", 1)) for setting in settings.split(",") if setting
    )
    return name, Path(folder).resolve(), timing


def start(systems: list[str], folder: Path, stack: ExitStack) -> dict[str, System]:
    """The clusters, by their names."""
    started: dict[str, System] = {}
    for text in systems:
        name, binaries, timing = parts_of(text)
        system: System
        if text == "etcd":
            system = Etcd(folder / name)
        else:
            system = Paxledger(folder / name, binaries=binaries, timing=timing)
        started[name] = stack.enter_context(system)
    return started


def table(rounds: dict[str, dict[str, list[Figures]]]) -> str:
    """The medians, and the ratios to the first build."""
    lines = [
        "| load | | a second | times | p50, ms | p99, ms | processor, µs | commands of a batch |"
    ]
    lines += ["|---" * 8 + "|"]
    for load, by_name in rounds.items():
        first = next(iter(by_name.values()))
        for name, all_found in by_name.items():

            def median(attribute: str, of: list[Figures] = all_found) -> float:
                return float(statistics.median(getattr(each, attribute) for each in of))

            ratio = statistics.median(
                ours.per_second / theirs.per_second
                for ours, theirs in zip(all_found, first, strict=True)
            )
            lowest, highest = (pick(each.per_second for each in all_found) for pick in (min, max))
            lines.append(
                f"| {load} | {name} | {median('per_second'):,.0f} [{lowest:,.0f} … {highest:,.0f}]"
                f" | {ratio:.2f} | {median('p50_ms'):.2f} | {median('p99_ms'):.2f}"
                f" | {median('cpu_us'):.1f} | {median('batch'):.1f} |"
            )
    return "\n".join(lines)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description="Compares builds of Paxledger in turns.",
        epilog="Loads: put:64, get:64, put:64:follower, put@4000.",
    )
    parser.add_argument(
        "systems", nargs="+", metavar="NAME=FOLDER[:KEY=VALUE,…]", help="a build, or: etcd"
    )
    parser.add_argument("--loads", default=LOADS, help=f"default: {LOADS}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--value-bytes", type=int, default=256)
    options = parser.parse_args(arguments)
    base = Load(seconds=options.seconds, warm_up=0.5, value_bytes=options.value_bytes)
    try:
        options.loads = [asked(name, base) for name in options.loads.split(",")]
    except ValueError as error:
        parser.error(str(error))
    names = [text.partition("=")[0] for text in options.systems]
    if len(set(names)) < len(names):
        parser.error("two of the builds have one name")
    for text in options.systems:
        if text != "etcd" and not (parts_of(text)[1] / "paxledgerd").is_file():
            parser.error(f'"{text}": expected NAME=FOLDER, of a folder that holds paxledgerd')
    return options


def main() -> int:
    """The program; gives its exit code."""
    options = options_of()
    (ROOT / "build").mkdir(exist_ok=True)
    rounds: dict[str, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
    with (
        tempfile.TemporaryDirectory(prefix="turns.", dir=ROOT / "build") as folder,
        ExitStack() as all_started,
    ):
        systems = start(options.systems, Path(folder), all_started)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            order = list(systems)[:: -1 if number % 2 else 1]
            for what in options.loads:
                by_name = {name: measure(systems[name], what) for name in order}
                for name in systems:
                    rounds[what.name][name].append(by_name[name])
    print(table(rounds))
    machine = ", ".join(f"{name} {value}" for name, value in figures.machine().items())
    print(f"\nmedians of {options.rounds} rounds of {options.seconds:g} s; {machine}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
