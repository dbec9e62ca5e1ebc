#!/usr/bin/env python3
"""Compares Paxledger with etcd on this machine, both durable, three nodes each.

    .venv/bin/python bench/compare.py [--quick] [--rounds N] [--seconds S] …

In each round every load is put on one system and then on the other, and the next round begins with
the other one, so that whatever else the machine does hits both. Every ratio is taken within a
round. Restart and memory are measured afterwards, on clusters of their own that hold --keys keys.
What is found goes to bench/results as JSON, with a plot beside it. `make bench` builds what is
needed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import figures
from clusters import ETCD_LOAD, ROOT, Etcd, Paxledger, System
from figures import Row
from generators import Load

CPU_LATENCY = Path("/dev/cpu_dma_latency")
IDLE_DRIVER = Path("/sys/devices/system/cpu/cpuidle/current_driver")
FLOOR = ROOT / "build/release/bench/paxledger_floor"


def rows() -> dict[str, Row]:
    """The table, still without figures."""
    return {
        "put-1": Row("puts, 1 outstanding", "/s", 2.3),
        "put-1-awake": Row("puts, 1 outstanding, processors kept awake", "/s", 2.3),
        "floor": Row("puts, 1 outstanding, mean latency", "ms", 1.3, None, False, "floor"),
        "put-64": Row("puts, 64 outstanding", "/s", 5, 10),
        "put-1000": Row("puts, 1,000 outstanding", "/s", 8, 12),
        "get-64": Row("linearizable gets, 64 outstanding", "/s", 8, 15),
        "p99-64": Row("p99 of puts, 64 outstanding", "ms", 1 / 4, 1 / 8, False),
        "follower": Row("puts through a follower, 64 outstanding", "/s", 0.8, None, True, "leader"),
        "gap": Row("gap after kill -9 of the leader", "ms", 1 / 2, None, False),
        "restart": Row("restart until it serves", "ms", 1, None, False),
        "memory": Row("memory of a node", "MiB", 1, None, False),
    }


def loads(seconds: float) -> dict[str, tuple[Load, bool]]:
    """What each round asks for, and whether through a follower."""
    put = Load(seconds=seconds, warm_up=min(1, seconds / 2))
    return {
        "put-1": (replace(put, outstanding=1), False),
        "put-64": (put, False),
        "put-1000": (replace(put, outstanding=1000), False),
        "get-64": (replace(put, workload="get"), False),
        "follower": (put, True),
    }


def floor_ms(folder: Path) -> dict[str, Any]:
    """Two round trips and one sync, in milliseconds, and what they are made of."""
    run = subprocess.run([FLOOR, folder, "1000"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout)
    found["ms"] = (2 * found["round_trip_us"]["p50"] + found["sync_us"]["p50"]) / 1000
    return found


def say(what: str, found: str) -> None:
    """A word on the way, for people."""
    print(f"  {what:<36} {found}", file=sys.stderr, flush=True)


def measure_round(systems: list[System], seconds: float, folder: Path) -> dict[str, Any]:
    """Every load on every system, in the order of the systems."""
    # Somebody else's work on the machine makes it higher, never lower: so the lowest counts.
    floors = [floor_ms(folder)]
    found: dict[str, Any] = {}
    for name, (load, through_follower) in loads(seconds).items():
        found[name] = {}
        for system in systems:
            via = [system.follower() if through_follower else system.leader()]
            figure = found[name][system.name] = system.run(load, via)
            say(
                f"{name} {system.name}",
                f"{figure['per_second']:>10,.0f} /s  p50 {figure['latency_ms']['p50']:.2f} ms  "
                f"p99 {figure['latency_ms']['p99']:.2f} ms  "
                + "  ".join(
                    f"{who} {spent:.0f} µs" for who, spent in figure["cpu_us_per_operation"].items()
                ),
            )
        floors.append(floor_ms(folder))
    found["floor"] = min(floors, key=lambda floor: float(floor["ms"]))
    say("floor", f"{found['floor']['ms']:.3f} ms")
    return found


@contextmanager
def processors_awake() -> Iterator[None]:
    """Holds the request that a node with keep_awake makes while it works."""
    device = os.open(CPU_LATENCY, os.O_RDWR)
    try:
        os.write(device, bytes(4))
        yield
    finally:
        os.close(device)


def why_not_awake() -> str | None:
    """What is missing for processors to be kept awake; nothing: None."""
    try:
        with processors_awake():
            pass
    except OSError as error:
        return str(error)
    driver = IDLE_DRIVER.read_text(encoding="utf-8").strip() if IDLE_DRIVER.exists() else ""
    return f"{IDLE_DRIVER} names no driver" if driver in {"", "none"} else None


def measure_awake(names: list[str], load: Load, folder: Path) -> dict[str, Any]:
    """A load while processors stay awake: by `keep_awake` for us, and for etcd by this program.

    Both in clusters of their own, without data.
    """
    found = {}
    for name in names:
        if name == Paxledger.name:
            with Paxledger(folder, timing="keep_awake: 5ms") as ours:
                figure = ours.run(load, [ours.leader()])
                log = (ours.folder / f"node-{ours.leader()}.log").read_text(encoding="utf-8")
                if "keep_awake does nothing" in log:
                    raise RuntimeError(f"processors cannot be kept awake; see {ours.folder}")
        else:
            with Etcd(folder) as theirs, processors_awake():
                figure = theirs.run(load, [theirs.leader()])
        found[name] = figure
        say(f"put-1 {name}, awake", f"{figure['per_second']:>10,.0f} /s")
    return found


def take(table: dict[str, Row], found: dict[str, Any]) -> None:
    """Enters a round into the table."""
    for name in ("put-1", "put-1-awake", "put-64", "put-1000", "get-64"):
        if name not in found:
            continue
        table[name].ours.append(found[name]["paxledger"]["per_second"])
        table[name].theirs.append(found[name]["etcd"]["per_second"])
    table["floor"].ours.append(found["put-1"]["paxledger"]["latency_ms"]["mean"])
    table["floor"].theirs.append(found["floor"]["ms"])
    table["p99-64"].ours.append(found["put-64"]["paxledger"]["latency_ms"]["p99"])
    table["p99-64"].theirs.append(found["put-64"]["etcd"]["latency_ms"]["p99"])
    table["follower"].ours.append(found["follower"]["paxledger"]["per_second"])
    table["follower"].theirs.append(found["put-64"]["paxledger"]["per_second"])


def measure_large(kind: type[System], folder: Path, keys: int, restarts: int) -> dict[str, Any]:
    """Memory and restarts of a cluster that holds so many keys."""
    with kind(folder / "large") as system:
        # Before a load of gets every key is written once.
        system.run(Load(workload="get", keys=keys, seconds=1, warm_up=0))
        memory = system.memory_mib()
        say(
            f"memory {system.name}",
            f"{memory['rss']:.0f} MiB, no file {memory['anonymous']:.0f} MiB",
        )
        times = [system.restart_ms() for _ in range(restarts)]
        say(f"restart {system.name}", figures.text_of(times) + " ms")
        return {"memory_mib": memory, "restart_ms": times}


def pairs_of(
    measure: Callable[[System], float], systems: list[System], count: int, row: Row
) -> None:
    """Measures the systems in turns and enters what they needed into the row."""
    by_name = {"paxledger": row.ours, "etcd": row.theirs}
    for _ in range(count):
        for system in systems:
            by_name[system.name].append(measure(system))
            say(f"{row.name} {system.name}", f"{by_name[system.name][-1]:,.0f} {row.unit}")


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Row], dict[str, Any]]:
    """Everything; gives the table and all that it was made of."""
    table = rows()
    if reason := why_not_awake():
        del table["put-1-awake"]
        say("put-1, awake", f"left out: {reason}")
    found: dict[str, Any] = {"machine": figures.machine(), "options": vars(options), "rounds": []}
    with ExitStack() as stack:
        systems = [stack.enter_context(kind(folder)) for kind in (Paxledger, Etcd)]
        found["versions"] = {system.name: system.version for system in systems}
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            found["rounds"].append(measure_round(systems, options.seconds, folder))
            if "put-1-awake" in table:
                load, _ = loads(options.seconds)["put-1"]
                found["rounds"][-1]["put-1-awake"] = measure_awake(
                    [system.name for system in systems], load, folder / f"awake-{number}"
                )
            take(table, found["rounds"][-1])
            systems.reverse()
        pairs_of(lambda system: system.gap_ms(), systems, options.failovers, table["gap"])
    found["large"] = {}
    for kind in (Paxledger, Etcd):
        found["large"][kind.name] = measure_large(kind, folder, options.keys, options.restarts)
    for row, figure in (
        (table["restart"], lambda large: large["restart_ms"]),
        (table["memory"], lambda large: [large["memory_mib"]["rss"]]),
    ):
        row.name += f", {options.keys:,} keys"
        row.ours.extend(figure(found["large"]["paxledger"]))
        row.theirs.extend(figure(found["large"]["etcd"]))
    found["summary"] = {name: row.summary() for name, row in table.items()}
    return table, found


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Compares Paxledger with etcd.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each load of a round")
    parser.add_argument("--failovers", type=int, default=20, help="leaders killed, of each system")
    parser.add_argument("--restarts", type=int, default=5, help="of each system")
    parser.add_argument("--keys", type=int, default=1_000_000, help="for restart and memory")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that it works"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds, options.failovers = 1, 2, 2
        options.restarts, options.keys = 1, 100_000
    return options


def main() -> int:
    """The program; gives its exit code."""
    options = options_of()
    for program in (FLOOR, ETCD_LOAD):
        if not program.exists():
            print(f"compare: {program} is not built; run make bench", file=sys.stderr)
            return 1
    with tempfile.TemporaryDirectory(prefix="compare.", dir=ROOT / "build") as folder:
        table, found = measure(options, Path(folder))
    print(figures.table(list(table.values())))
    path = figures.write("compare", found)
    figures.plot_rows(list(table.values()), path.with_suffix(".png"))
    print(f"\nwritten to {path.relative_to(ROOT)}, and a plot beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
