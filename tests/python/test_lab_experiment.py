"""Experiments with real nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import matplotlib
import pandas as pd
import pytest
from lab_cluster import _three, lab_cluster

from paxledger import ClosedError
from paxledger.cluster import Cluster
from paxledger.lab import (
    Experiment,
    ExperimentError,
    ExperimentWarning,
    Mixed,
    Operation,
    Phonebook,
    Puts,
    Result,
    Workload,
    at,
    every,
)

matplotlib.use("Agg")

__all__ = ["_three", "lab_cluster"]


def rows(table: pd.DataFrame) -> list[Any]:
    """The rows, of whose members nothing is known to the checker of types."""
    return list(table.itertuples())


def test_a_killed_leader_is_seen_in_every_table(lab_cluster: Cluster) -> None:
    before = lab_cluster.wait_for_leader()
    schedule = at(0.5).kill("leader", lasting=1.0)
    workload = Mixed(rate=200, keys=50)
    result = Experiment(lab_cluster, workload, schedule, duration=2.5, seed=3).run(progress=False)

    assert len(result.operations) == 500, "every operation that was due is there"
    kill, undo = rows(result.faults)
    assert (kill.action, kill.nodes, undo.action) == ("kill", str(before), "undo")
    assert kill.cleared >= kill.end + 1.0

    # While there was no leader nothing was acknowledged, and afterwards all was.
    (gap,) = rows(result.gaps())
    assert 0.2 < gap.gap < 1.5
    assert gap.leader not in (0, before)
    assert gap.elected == pytest.approx(gap.gap, abs=0.3)
    # What was acknowledged meanwhile had begun before, and its answer was on its way.
    writes = result.acknowledged_writes()
    meanwhile = writes[writes["end"].between(kill.end, kill.end + gap.gap, inclusive="neither")]
    assert (meanwhile["begun"] < kill.end).all()
    longest, begin = result.longest_gap()
    assert longest is not None and longest > 0.2
    assert begin + longest <= kill.end + gap.gap + 1e-6
    assert set(result.operations["outcome"]) == {"ok"}
    waited = result.operations[
        (result.operations["start"] > kill.end)
        & (result.operations["start"] < kill.end + gap.gap / 2)
        & (result.operations["kind"] == "put")
    ]
    assert (waited["latency"] > gap.gap / 2 - 0.05).all(), "no coordinated omission"

    dead = result.heights[
        (result.heights["node"] == before)
        & result.heights["time"].between(kill.end + 0.05, kill.cleared - 0.3)
    ]
    assert len(dead) >= 5
    assert set(dead["role"]) == {"unreachable"} and dead["height"].isna().all()
    assert result.leaders["node"].tolist()[:2] == [before, gap.leader]
    result.plot().draw_without_rendering()


def test_the_same_seed_gives_the_same_operations_and_another_one_others(
    lab_cluster: Cluster,
) -> None:
    def drawn(seed: int) -> list[tuple[str, str]]:
        workload = Mixed(rate=200, distribution="zipf")
        result = Experiment(lab_cluster, workload, duration=0.5, seed=seed).run(progress=False)
        table = result.operations
        return list(zip(table["kind"].astype(str), table["key"].astype(str), strict=True))

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)


def test_a_result_can_be_repeated_from_its_file(lab_cluster: Cluster, tmp_path: Path) -> None:
    schedule = every(0.2, until=0.5).pause("follower", lasting=0.1)
    first = Experiment(lab_cluster, Puts(rate=50), schedule, duration=0.8).run(progress=False)
    saved = Result.load(first.save(tmp_path / "r"))
    again = Experiment(
        lab_cluster, Puts(rate=50), saved.schedule, duration=saved.duration, seed=saved.seed
    ).run(progress=False)
    assert again.operations["key"].tolist() == first.operations["key"].tolist()
    assert saved.metadata["configuration"].startswith("cluster:")
    assert saved.metadata["workloads"][0]["rate"] == 50
    assert saved.metadata["versions"]["paxledger"]


def test_a_paused_node_does_not_hold_up_the_questions_to_the_others(lab_cluster: Cluster) -> None:
    schedule = at(0.2).pause("follower", lasting=0.8)
    result = Experiment(
        lab_cluster, Puts(rate=20), schedule, duration=1.2, interval=0.05
    ).run(progress=False)  # fmt: skip
    paused = int(result.faults["nodes"][0])
    counts = result.heights.groupby("node").size()
    others = counts.drop(paused)
    assert (others >= 20).all(), counts
    assert "unreachable" in set(result.heights[result.heights["node"] == paused]["role"])


def test_a_minority_alone_cannot_write(lab_cluster: Cluster) -> None:
    """A client that knows only the cut-off node gets errors, and the others go on."""
    leader = lab_cluster.wait_for_leader()
    cut = next(node for node in lab_cluster.ids if node != leader)
    rest = [node for node in lab_cluster.ids if node != cut]
    workloads = [
        Puts(name="minority", nodes=[cut], concurrency=2, deadline=0.5),
        Puts(name="majority", nodes=rest, concurrency=2),
    ]
    schedule = at(0.0).partition([cut], "rest")
    result = Experiment(lab_cluster, workloads, schedule, duration=1.5).run(progress=False)
    table = result.operations[result.operations["start"] > 0.7]
    minority = table[table["workload"] == "minority"]
    assert len(minority) > 0
    assert set(minority["outcome"]) <= {"no_quorum", "unknown", "timeout"}
    assert set(minority["node"]) == {cut}
    assert set(table[table["workload"] == "majority"]["outcome"]) == {"ok"}


def test_the_phone_book_stores_phone_numbers(lab_cluster: Cluster) -> None:
    Experiment(lab_cluster, Phonebook(people=20, rate=100), duration=0.3).run(progress=False)
    with lab_cluster.client(codec="json") as db:
        book = [db[key] for key in db.keys() if key.endswith("_netid")]  # noqa: SIM118
    assert len(book) == 20
    assert all(set(entry) == {"phone_number"} for entry in book)


# --- what goes wrong


def test_a_failed_action_is_loud_and_the_result_is_not_lost(lab_cluster: Cluster) -> None:
    leader = lab_cluster.wait_for_leader()
    schedule = at(0.1).resume(leader) + at(0.2).wipe(leader)
    experiment = Experiment(lab_cluster, Puts(rate=50), schedule, duration=0.4)
    with pytest.raises(ExperimentError, match=r"1 of 2 actions failed: wipe.*BadRequest") as caught:
        experiment.run(progress=False)
    assert len(caught.value.result.operations) == 20
    assert experiment.result is caught.value.result
    with pytest.warns(ExperimentWarning, match="wipe"):
        result = experiment.run(progress=False, strict=False)
    assert "FAILED ACTION" in str(result)


def test_faults_of_links_need_the_permission_of_the_configuration() -> None:
    with Cluster.local(nodes=1, fault_injection=False) as cluster:
        experiment = Experiment(cluster, Puts(rate=20), at(0.1).isolate(1), duration=0.3)
        with pytest.raises(ExperimentError, match="fault_injection: true"):
            experiment.run(progress=False)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda c: Experiment(c, Puts(), at(1).kill(9)), "node 9; the cluster has 1, 2, 3"),
        (lambda c: Experiment(c, Puts(), at(11).heal()), "lasts 10 s"),
        (lambda c: Experiment(c, Puts(nodes=[7])), r"names nodes \[7\]"),
        (lambda c: Experiment(c, Mixed(node=7)), r"names nodes \[7\]"),
        (lambda c: Experiment(c, []), "workload is an empty list"),
        (lambda c: Experiment(c, [Puts(), Puts()]), "different names"),
        (lambda c: Experiment(c, Puts(), duration=0), "duration is a number above 0"),
        (lambda c: Experiment(c, Puts(), interval=0), "interval is a number"),
        (
            lambda c: Experiment(c, Puts(), operations_max=0),
            "operations_max is a whole number from 1",
        ),
        (lambda c: Experiment(c, Puts(), duration=float("nan")), "duration is .*not nan"),
        (lambda c: Experiment(c, Puts(), seed=-1), "seed is .*not -1"),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_begins(
    lab_cluster: Cluster, make: Callable[[Cluster], object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        make(lab_cluster)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda c: Experiment("c", Puts()), r"cluster is a paxledger\.Cluster, not 'c'"),
        (lambda c: Experiment(c, "puts"), "workload is a Workload.*not 'puts'"),
        (lambda c: Experiment(c, Puts), "workload is a Workload.*not the class Puts"),
        (lambda c: Experiment(c, [Puts(), 5]), "workload is a Workload.*not 5"),
        (lambda c: Experiment(c, Puts(), "kill"), "a schedule is made of .*not of 'kill'"),
        (lambda c: Experiment(c, Puts(), 5), "a schedule is made of .*not of 5"),
        (lambda c: Experiment(c, Puts(), duration="x"), "duration is a number .*not 'x'"),
        (lambda c: Experiment(c, Puts(), interval=None), "interval is a number .*not None"),
        (lambda c: Experiment(c, Puts(), seed="x"), "seed is a whole number .*not 'x'"),
        (lambda c: Experiment(c, Puts(), seed=1.5), "seed is a whole number .*not 1.5"),
        (lambda c: Experiment(c, Puts(), operations_max=1e6), "operations_max is a whole"),
        (lambda c: Experiment(c, Puts()).run(progress="no"), "progress is True or False"),
        (lambda c: Experiment(c, Puts()).run(strict=None), "strict is True or False"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_with_its_name_and_value(
    lab_cluster: Cluster, make: Callable[[Any], object], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        make(lab_cluster)


def test_a_closed_cluster_is_refused_when_an_experiment_is_made_and_when_it_is_run() -> None:
    cluster = Cluster.local(nodes=1)
    experiment = Experiment(cluster, Puts(), duration=0.1)
    cluster.close()
    with pytest.raises(ClosedError, match="is closed; an experiment needs one that runs"):
        experiment.run(progress=False)
    with pytest.raises(ClosedError, match="is closed"):
        Experiment(cluster, Puts())


DEAD = """
import gc
from paxledger import NoQuorum
from paxledger.cluster import Cluster
from paxledger.lab import Experiment, Mixed, Puts, driver
driver._FILL_PATIENCE_S = 0.3
with Cluster.local(nodes=1) as cluster:
    cluster.stop()
    try:
        Experiment(cluster, Mixed(rate=100, deadline=0.3), duration=0.5).run(progress=False)
    except NoQuorum as failure:
        print(failure)
    result = Experiment(cluster, Puts(rate=100, deadline=0.3), duration=0.5).run(progress=False)
    print(sorted(set(result.operations["outcome"])), result.summary().answered)
gc.collect()
"""


def test_a_cluster_that_does_not_serve_is_one_clear_error_or_operations_that_failed(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DEAD],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.stderr == "", "no exception is left to be reported by the event loop"
    first, second = done.stdout.splitlines()
    assert first.startswith("the workload 'mixed' could not write the keys"), first
    assert "cannot be reached" in first
    assert second == "['no_quorum'] 0"
    assert done.returncode == 0


class Mistaken(Workload):
    def next_operation(self, random: Random) -> Operation:
        return Operation("put", "k", value=object())


def test_a_mistake_in_a_workload_is_raised_and_no_thread_is_left(lab_cluster: Cluster) -> None:
    threads = set(threading.enumerate())
    experiment = Experiment(lab_cluster, Mistaken(concurrency=2), at(5).heal(), duration=30)
    begin = time.monotonic()
    with pytest.raises(TypeError, match="object"):
        experiment.run(progress=False)
    assert time.monotonic() - begin < 10
    assert set(threading.enumerate()) <= threads


def test_the_number_of_recorded_operations_is_bounded(lab_cluster: Cluster) -> None:
    experiment = Experiment(lab_cluster, Puts(concurrency=16), duration=60, operations_max=200)
    with pytest.warns(ExperimentWarning, match="ended early: 200 operations"):
        result = experiment.run(progress=False)
    assert len(result.operations) == 200
    assert result.duration < 30
    assert "NOTE" in str(result.summary())


def test_the_progress_bar_is_shown_only_if_wanted(
    lab_cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = Experiment(lab_cluster, Puts(rate=50), duration=0.3)
    experiment.run(progress=False)
    assert capsys.readouterr().err == ""
    experiment.run()
    assert "15 operations" in capsys.readouterr().err


INTERRUPTED = """
import sys, threading, time
from paxledger.cluster import Cluster
from paxledger.lab import Experiment, Puts, at
with Cluster.local(nodes=3) as cluster:
    # Without a majority, so that every put is under way until its deadline.
    schedule = at(0.5).partition([1], [2], [3])
    # An action that takes long, as heal does where no majority comes back.
    def hang(cluster):
        print("now", flush=True)
        time.sleep(3)
    schedule += at(1.5).call(hang)
    experiment = Experiment(cluster, Puts(rate=100, deadline=30), schedule, duration=60)
    try:
        experiment.run(progress=False)
    except KeyboardInterrupt:
        print("ended", flush=True)
        hurry = time.monotonic() + 10
        result = experiment.result
        print(len(result.operations) > 20, result.duration < 30, result.metadata["notes"])
        print(result.faults["error"].tolist()[-1])
        while any("workload" in each.name for each in threading.enumerate()):
            assert time.monotonic() < hurry
            time.sleep(0.01)
        print([each.name for each in threading.enumerate() if "workload" in each.name])
"""


def test_ctrl_c_ends_it_and_what_was_found_is_kept(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    begin = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "ended\n"
    assert time.monotonic() - begin < 1, "nothing is waited for: no deadline, farewell or action"
    # The rest by the same reader, which may hold some of it already.
    with process.stdout:
        assert process.stdout.read().splitlines() == [
            "True True ['the experiment was interrupted']",
            "interrupted while it was under way; it went on by itself",
            "[]",
        ]
    assert process.wait(60) == 0


def test_it_runs_in_a_thread_with_an_event_loop_of_its_own(lab_cluster: Cluster) -> None:
    """As in a notebook, whose main thread has a running loop."""
    import asyncio

    async def main() -> Any:
        return Experiment(lab_cluster, Puts(rate=50), duration=0.2).run(progress=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(asyncio.run(main()).operations) == 10
