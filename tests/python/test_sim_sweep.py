"""Many simulated runs side by side."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from paxledger import sim
from paxledger.lab import at

SETTINGS: dict[str, Any] = {
    "duration": 2.0,
    "faults": at(1.0).kill("leader", lasting=0.5),
    "workload": sim.Workload(clients=1),
    "progress": False,
}
PARAMETERS = {"timing.election_timeout": [0.2, 0.4], "nodes": [3, 5]}


def table(executor: Executor | None) -> pd.DataFrame:
    return sim.sweep(range(4), PARAMETERS, executor, **SETTINGS)


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return table(None)


def height_of(world: sim.World) -> dict[str, Any]:
    return {"height": len(world.chain())}


def test_there_is_a_row_for_each_seed_and_combination(expected: pd.DataFrame) -> None:
    assert len(expected) == 16
    assert list(expected["seed"]) == [0, 1, 2, 3] * 4
    assert list(expected["nodes"]) == ([3] * 4 + [5] * 4) * 2
    assert (expected["verdict"] == "passed").all() and (expected["failure"] == "").all()
    assert (expected["elections"] >= 2).all() and (expected["throughput"] > 0).all()
    short = expected[expected["timing.election_timeout"] == 0.2]["election_gap"].mean()
    long = expected[expected["timing.election_timeout"] == 0.4]["election_gap"].mean()
    assert short < long


def test_threads_and_processes_give_the_same_rows(expected: pd.DataFrame) -> None:
    with ThreadPoolExecutor(3) as threads:
        pd.testing.assert_frame_equal(table(threads), expected)
    with ProcessPoolExecutor(2) as processes:
        pd.testing.assert_frame_equal(table(processes), expected)


def test_a_dask_cluster_gives_the_same_rows(expected: pd.DataFrame) -> None:
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pd.testing.assert_frame_equal(table(client.get_executor()), expected)


def test_a_row_is_a_run_of_its_seed(expected: pd.DataFrame) -> None:
    row = expected.iloc[5]
    timing = sim.Timing(election_timeout=row["timing.election_timeout"])
    result = sim.run(
        seed=int(row["seed"]),
        nodes=int(row["nodes"]),
        duration=2.0,
        faults=SETTINGS["faults"],
        workload=SETTINGS["workload"],
        timing=timing,
    )
    assert result.metadata["trace_hash"] == row["trace_hash"]
    assert result.longest_gap()[0] == pytest.approx(row["longest_gap"])


def test_a_measure_of_ones_own_replaces_the_default() -> None:
    rows = sim.sweep([1, 2], measure=height_of, duration=1.0, progress=False)
    assert list(rows.columns) == ["seed", "verdict", "failure", "height"]
    assert (rows["height"] > 0).all()


def lose_two_disks(world: Any) -> None:
    world.wipe(1)
    world.wipe(2)


def test_a_run_that_fails_is_a_row() -> None:
    faults = [None, at(0.5).call(lose_two_disks)]
    rows = sim.sweep([1], {"faults": faults}, duration=1.0, progress=False)
    assert list(rows["verdict"]) == ["passed", "liveness"]
    assert "after everything was healed" in rows["failure"][1]


def test_wrong_arguments_are_refused_before_anything_runs() -> None:
    with pytest.raises(TypeError, match="no parameter 'node'"):
        sim.sweep([1], {"node": [3]})
    with pytest.raises(TypeError, match="no parameter 'timing.patience'"):
        sim.sweep([1], {"timing.patience": [3]})
    with pytest.raises(TypeError, match="nodes is a parameter, and cannot be the same in all"):
        sim.sweep([1], {"nodes": [3]}, nodes=5)
    with pytest.raises(ValueError, match="has no values"):
        sim.sweep([1], {"nodes": []})
    with pytest.raises(TypeError, match="is a list of values"):
        sim.sweep([1], {"nodes": 3})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="seeds is a list of seeds"):
        sim.sweep(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="executor is one of concurrent.futures"):
        sim.sweep([1], executor=3)  # type: ignore[arg-type]
    assert sim.sweep([], {"nodes": [3]}, progress=False).empty


class Recording(Executor):
    """Does nothing, and notes what was cancelled."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.futures:
            future.set_exception(RuntimeError("the worker is gone"))
        self.futures.append(future)
        return future


def test_nothing_goes_on_after_a_failure_of_a_worker() -> None:
    executor = Recording()
    with pytest.raises(RuntimeError, match="the worker is gone"):
        sim.sweep(range(100), executor=executor, progress=False)
    assert all(future.cancelled() for future in executor.futures[1:])
