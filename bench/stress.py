#!/usr/bin/env python3
"""What faults and overload cost Paxledger: three nodes, real processes, durable.

    .venv/bin/python bench/stress.py [--scenarios NAME,…] [--rounds N] [--seconds S] [--quick]

Every figure is a ratio of two phases of one run, with the fault and without it, which alternate;
the median of the rounds counts. Only a loss counts: with one node paused the others have more of
this machine, and may gain. What is found goes to bench/results as JSON, with a plot beside it;
bench/README.md says what each scenario does. `scripts/bench --stress` builds what is needed.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import figures
import stress_plot
from clusters import ROOT, Paxledger
from figures import Figure
from generators import Load, run_generator
from watch import CatchUp, Sample, Watch, catch_up_of, rate

SLOW_DISK = ROOT / "build/release/bench/libpaxledger_slow_disk.so"
SLOWNESS = 100
# So many clients may have more under way than a node takes, 32,768: of the session of one, 4,096.
OVERLOADING_GENERATORS = 12
UNDER_WAY_MAX = 4096  # of one client, as by its default
# What the queues of a node may hold by their limits: requests of clients 256 MiB and replies that
# they do not read 256 MiB, commands to be proposed 64 MiB, slots in flight 16 MiB, for the log
# 128 MiB and for the block files 256 MiB.
QUEUES_MIB_MAX = 976
NEVER_READING_CLIENTS = 8
CATCH_UP_SECONDS_MAX = 120


def say(what: str, found: str) -> None:
    """A word on the way, for people."""
    print(f"  {what:<34} {found}", file=sys.stderr, flush=True)


@dataclass
class Run:
    """What all scenarios share, and what they found."""

    options: argparse.Namespace
    folder: Path
    table: list[Figure] = field(default_factory=list)
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def figure(
        self, name: str, unit: str, wanted: float | None, more_is_better: bool = True
    ) -> Figure:
        """A new line of the table."""
        self.table.append(Figure(name, unit, wanted, more_is_better))
        return self.table[-1]

    def load(self, **more: Any) -> Load:
        """The load of the comparison with etcd, for the time that a phase takes."""
        seconds = self.options.seconds
        return replace(Load(seconds=seconds, warm_up=min(1, seconds / 2)), **more)

    @contextmanager
    def cluster(self, name: str) -> Iterator[Paxledger]:
        """Three nodes of a scenario's own, whose disks can be made slow; without data later."""
        folder = self.folder / name

        def environment(node: int) -> dict[str, str]:
            factor = folder / f"slow-{node}"
            return {"LD_PRELOAD": str(SLOW_DISK), "PAXLEDGER_SLOW_DISK": str(factor)}

        with Paxledger(folder, environment_of=environment) as system:
            yield system
        shutil.rmtree(folder)


# --- one follower disturbed

Disturbance = Callable[[Paxledger, int], AbstractContextManager[None]]


@contextmanager
def paused(system: Paxledger, node: int) -> Iterator[None]:
    """The node stands still."""
    system.processes[node].pause()
    try:
        yield
    finally:
        system.processes[node].resume()


@contextmanager
def slow_disk(system: Paxledger, node: int) -> Iterator[None]:
    """Each sync of the node takes SLOWNESS times as long."""
    factor = system.folder.parent / f"slow-{node}"
    factor.write_text(str(SLOWNESS), encoding="utf-8")
    try:
        yield
    finally:
        factor.unlink()


def phase(
    system: Paxledger, load: Load, disturbance: AbstractContextManager[None] | None = None
) -> dict[str, Any]:
    """A load without or with a disturbance; afterwards all nodes are level again."""
    leader = system.leader()
    with Watch(system, 0.1, memory_alone=True) as watch:
        with disturbance or nullcontext():
            found = system.run(load, failures_allowed=True)
        found["level_after_seconds"] = system.wait_until_level()
    found["leader_changed"] = system.leader() != leader
    found["rss_mib_max"] = max(sample.rss_mib or 0 for sample in watch.samples)
    return found


def disturb_follower(run: Run, name: str, what: str, disturbance: Disturbance) -> None:
    """Throughput through the leader while one follower is not well, against all well."""
    rows = {
        outstanding: (
            run.figure(f"{what}: puts, {outstanding:,} outstanding", "× undisturbed", 0.9),
            run.figure(f"{what}: p99, {outstanding:,} outstanding", "× undisturbed", None, False),
        )
        for outstanding in (64, 1000)
    }
    changes = run.figure(f"{what}: changes of the leader", "", 0, False)
    memory = run.figure(f"{what}: memory of a node, peak", "MiB", QUEUES_MIB_MAX, False)
    rounds = run.rounds[name] = []
    with run.cluster(name) as system:
        for number in range(run.options.rounds):
            for outstanding, (throughput, p99) in rows.items():
                load = run.load(outstanding=outstanding)
                follower = system.follower()
                found: dict[str, Any] = {"outstanding": outstanding}
                order = ["calm", "disturbed"]
                for which in order if number % 2 == 0 else reversed(order):
                    fault = disturbance(system, follower) if which == "disturbed" else None
                    found[which] = phase(system, load, fault)
                rounds.append(found)
                calm, disturbed = found["calm"], found["disturbed"]
                throughput.rounds.append(disturbed["per_second"] / calm["per_second"])
                p99.rounds.append(disturbed["latency_ms"]["p99"] / calm["latency_ms"]["p99"])
                changes.rounds.append(float(disturbed["leader_changed"]))
                memory.rounds.append(disturbed["rss_mib_max"])
                say(
                    f"{name} {outstanding}",
                    f"{calm['per_second']:>9,.0f} /s calm  {disturbed['per_second']:>9,.0f} /s "
                    f"disturbed  {throughput.rounds[-1]:.2f}  p99 {calm['latency_ms']['p99']:.1f}"
                    f" → {disturbed['latency_ms']['p99']:.1f} ms  level after "
                    f"{disturbed['level_after_seconds']:.1f} s",
                )


def measure_paused(run: Run) -> None:
    """One follower paused."""
    disturb_follower(run, "paused", "a follower paused", paused)


def measure_slow_disk(run: Run) -> None:
    """One follower with a slow disk; proves by its own counts that it was slow."""
    slower = run.figure("a slow disk: its syncs", "× those of the leader", SLOWNESS / 2)

    def seconds_of_a_sync(system: Paxledger, node: int, before: tuple[int, float]) -> float:
        syncs, seconds = system.log_syncs(node)
        return (seconds - before[1]) / max(1, syncs - before[0])

    @contextmanager
    def disturbance(system: Paxledger, node: int) -> Iterator[None]:
        leader = system.leader()
        before = {each: system.log_syncs(each) for each in (leader, node)}
        with slow_disk(system, node):
            yield
            slow, well = (seconds_of_a_sync(system, each, before[each]) for each in (node, leader))
        slower.rounds.append(slow / well)

    disturb_follower(run, "slow disk", "a follower's disk 100 × slower", disturbance)


# --- a follower far behind


class BackgroundLoad:
    """A generator that runs until it is stopped; what it did, the nodes count."""

    def __init__(self, system: Paxledger, load: Load) -> None:
        command = [*system.generator([system.leader()]), *load.options()]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        self.said.extend(self._process.stderr)

    def stop(self) -> None:
        """Ends it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


def fill(run: Run, system: Paxledger, leader: int) -> int:
    """Writes until the leader's blocks are so much longer; values of 256 octets to 16 KiB."""

    def written() -> int:
        status = system.status(leader)
        assert status is not None, "the leader serves"
        return int(status["counters"]["block_bytes"])

    before = written()
    sizes = [256, 1 << 10, 4 << 10, 16 << 10]
    for number, size in enumerate(sizes):
        while written() - before < run.options.missing_mb * 1e6 * (number + 1) / len(sizes):
            load = Load(value_bytes=size, outstanding=256, seconds=0.5, warm_up=0, keys=2000)
            run_generator([*system.generator([leader]), *load.options()])
    return before


def catch_up(
    run: Run, system: Paxledger, load: Load | None
) -> tuple[CatchUp, dict[str, Any], list[Sample]]:
    """Kills a follower, writes, and starts it again, under a load or without one."""
    leader, follower = system.leader(), system.follower()
    system.processes[follower].kill()
    before = fill(run, system, leader)
    background = BackgroundLoad(system, load) if load else None
    found: CatchUp | None = None
    try:
        with Watch(system, 0.05) as watch:
            calm_begin = 1.0 if load else 0.2
            threading.Event().wait(calm_begin + run.options.seconds if load else calm_begin)
            calm_end = watch.now
            system.processes[follower].start()
            while found is None:
                if watch.now > calm_end + CATCH_UP_SECONDS_MAX:
                    raise RuntimeError(f"node {follower} does not catch up; see {system.folder}")
                threading.Event().wait(0.05)
                behind = [sample for sample in watch.of(follower) if sample.at > calm_end]
                found = catch_up_of(behind, watch.of(leader), before)
            threading.Event().wait(0.2)
    finally:
        if background:
            background.stop()
    of_leader = watch.of(leader)
    result = {**asdict(found), "mb_per_second": found.mb_per_second}
    result["started_at"] = calm_end
    result["first_answer_at"] = next(one.at for one in behind if one.height is not None)
    result["rss_mib_max"] = max(sample.rss_mib or 0 for sample in watch.samples)
    if load:
        result["calm_per_second"] = rate(of_leader, calm_begin, calm_end)
        result["per_second"] = rate(of_leader, found.begin, found.end)
        result["kept"] = result["per_second"] / result["calm_per_second"]
    system.wait_until_level()
    return found, result, watch.samples


def measure_catch_up(run: Run) -> None:
    """A follower that missed a long history, without a load, in an open and in a closed loop."""
    rates = {
        "idle": run.figure("catch-up, no load", "MB/s", None),
        "open": run.figure("catch-up, open loop at half of the maximum", "MB/s", 100),
        "closed": run.figure("catch-up, closed loop of 64", "MB/s", None),
    }
    kept = {
        "open": run.figure("leader while one catches up, open loop", "× undisturbed", 0.8),
        "closed": run.figure("leader while one catches up, closed loop", "× undisturbed", None),
    }
    memory = run.figure("catch-up: memory of a node, peak", "MiB", None, False)
    rounds = run.rounds["catch-up"] = []
    with run.cluster("catch-up") as system:
        maximum = system.run(run.load(outstanding=1024))["per_second"]
        forever = run.load(seconds=CATCH_UP_SECONDS_MAX + 60)
        loads = {
            "idle": None,
            "open": replace(forever, rate=round(maximum / 2)),
            "closed": forever,
        }
        for _ in range(run.options.rounds):
            for mode, load in loads.items():
                found, result, samples = catch_up(run, system, load)
                rates[mode].rounds.append(found.mb_per_second)
                memory.rounds.append(result["rss_mib_max"])
                if load:
                    kept[mode].rounds.append(result["kept"])
                result.update(mode=mode, maximum=maximum, samples=[asdict(one) for one in samples])
                rounds.append(result)
                say(
                    f"catch-up {mode}",
                    f"{found.bytes / 1e6:,.0f} MB in {found.end - found.begin:.1f} s: "
                    f"{found.mb_per_second:,.0f} MB/s"
                    + (f"  leader {result['kept']:.2f}" if load else ""),
                )


# --- overload


@contextmanager
def clients_that_never_read(system: Paxledger, node: int, stored: bytes) -> Iterator[None]:
    """Connections that ask, again and again, for megabytes and read nothing."""
    import msgpack
    import zmq

    end = threading.Event()
    scan, local, all_keys = 3, 0, 4096

    def ask() -> None:
        number = 0
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            for option, value in ((zmq.LINGER, 0), (zmq.RCVHWM, 1), (zmq.SNDHWM, 16)):
                socket.setsockopt(option, value)
            socket.connect(f"tcp://127.0.0.1:{system.clients[node]}")
            while not end.wait(0.05):
                requests = [
                    [scan, number + each, 4000, local, stored, b"", all_keys] for each in range(64)
                ]
                number += len(requests)
                try:
                    socket.send(msgpack.packb([1, 0, requests]), zmq.DONTWAIT)
                except zmq.Again:
                    continue  # the node does not take more from it, which is its right

    with ThreadPoolExecutor(NEVER_READING_CLIENTS) as pool:
        asking = [pool.submit(ask) for _ in range(NEVER_READING_CLIENTS)]
        try:
            yield
        finally:
            end.set()
        for one in asking:
            one.result()


def measure_overload(run: Run) -> None:
    """Twice as much as the cluster can do, and clients that do not read what they asked for."""
    goodput = run.figure("twice the maximum: goodput", "× maximum", 0.9)
    offered = run.figure("twice the maximum: puts begun", "× maximum", None)
    overloaded = run.figure("twice the maximum: share of errors that are `overloaded`", "", 0.99)
    changes = run.figure("twice the maximum: changes of the leader", "", 0, False)
    peak = run.figure("twice the maximum: memory of a node, peak", "MiB", QUEUES_MIB_MAX, False)
    growth = run.figure("twice the maximum: memory, second half", "× first half", 1.1, False)
    unread = run.figure("clients that never read: puts of others", "× undisturbed", None)
    unread_peak = run.figure("clients that never read: memory, peak", "MiB", QUEUES_MIB_MAX, False)
    rounds = run.rounds["overload"] = []
    with run.cluster("overload") as system:
        load = run.load(outstanding=1024, generators=OVERLOADING_GENERATORS, nice=19)
        for _ in range(run.options.rounds):
            found = {"maximum": phase(system, load)}
            maximum = found["maximum"]["per_second"]
            with Watch(system, 0.1, memory_alone=True) as watch:
                begin = watch.now
                twice = replace(
                    load,
                    rate=round(2 * maximum),
                    outstanding_max=UNDER_WAY_MAX,
                    seconds=2 * load.seconds,
                )
                found["overload"] = phase(system, twice)
                middle = (begin + watch.now) / 2
            calm = phase(system, run.load())
            leader = system.leader()
            unread_replies = clients_that_never_read(system, leader, b"bench/")
            found["never_read"] = phase(system, run.load(), unread_replies)
            rounds.append({**found, "memory": [asdict(sample) for sample in watch.samples]})
            goodput.rounds.append(found["overload"]["per_second"] / maximum)
            offered.rounds.append(found["overload"]["begun"] / twice.seconds / maximum)
            overloaded.rounds.append(share_of("overloaded", found["overload"]["errors"]))
            changes.rounds.append(float(found["overload"]["leader_changed"]))
            peak.rounds.append(found["overload"]["rss_mib_max"])
            growth.rounds.append(later_over_earlier(watch.samples, middle))
            unread.rounds.append(found["never_read"]["per_second"] / calm["per_second"])
            unread_peak.rounds.append(found["never_read"]["rss_mib_max"])
            say(
                "overload",
                f"maximum {maximum:,.0f} /s  begun {offered.rounds[-1]:.2f}  "
                f"goodput {goodput.rounds[-1]:.2f}  "
                f"errors {found['overload']['errors']}  "
                f"peak {peak.rounds[-1]:.0f} MiB  never read: {unread.rounds[-1]:.2f}, "
                f"{unread_peak.rounds[-1]:.0f} MiB",
            )


def share_of(code: str, errors: dict[str, int]) -> float:
    """Which share of the errors is this one; all of none."""
    return errors.get(code, 0) / sum(errors.values()) if errors else 1.0


def later_over_earlier(samples: list[Sample], middle: float) -> float:
    """The peak of the memory of any node after a time, against that before."""
    earlier = [sample.rss_mib for sample in samples if sample.rss_mib and sample.at <= middle]
    later = [sample.rss_mib for sample in samples if sample.rss_mib and sample.at > middle]
    return max(later) / max(earlier)


SCENARIOS: dict[str, Callable[[Run], None]] = {
    "paused": measure_paused,
    "slow-disk": measure_slow_disk,
    "catch-up": measure_catch_up,
    "overload": measure_overload,
}


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Measures Paxledger under faults and overload.")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="which, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each phase")
    parser.add_argument("--missing-mb", type=float, default=400, help="that a follower missed")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that it works"
    )
    options = parser.parse_args(arguments)
    options.scenarios = options.scenarios.split(",")
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; {', '.join(SCENARIOS)}")
    if options.quick:
        options.rounds, options.seconds, options.missing_mb = 1, 1, 40
    return options


def main() -> int:
    """The program; gives its exit code."""
    options = options_of()
    if not SLOW_DISK.exists():
        print(f"stress: {SLOW_DISK} is not built; run scripts/bench --stress", file=sys.stderr)
        return 1
    machine = figures.machine()
    with tempfile.TemporaryDirectory(prefix="stress.", dir=ROOT / "build") as folder:
        run = Run(options, Path(folder))
        for name in options.scenarios:
            SCENARIOS[name](run)
    print(figures.table_of(run.table))
    found = {
        "machine": machine,
        "options": vars(options),
        "rounds": run.rounds,
        "summary": {figure.name: figure.summary() for figure in run.table},
    }
    path = figures.write("stress", found)
    stress_plot.plot(run.table, run.rounds, path.with_suffix(".png"))
    print(f"\nwritten to {path.relative_to(ROOT)}, and a plot beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
