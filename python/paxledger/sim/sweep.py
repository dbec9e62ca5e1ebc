"""Many simulated runs side by side, a row for each."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import fields, replace
from typing import Any

import pandas as pd
from tqdm import tqdm

from paxledger.sim.plan import Network, Timing, Workload
from paxledger.sim.records import WRITES
from paxledger.sim.run import run_world
from paxledger.sim.world import World

Measure = Callable[[World], Mapping[str, Any]]

_PARTS = {"timing": Timing, "network": Network, "workload": Workload}
_SETTINGS = (
    "nodes duration faults faults_every workload timing network disk interval events".split()
)
_CHUNK_MAX = 64
# So many chunks for each worker, so that none of them waits long for the last one.
_CHUNKS_PER_WORKER = 8


def measure_run(world: World) -> dict[str, Any]:
    """Returns what `sweep` tells of a run unless it is told otherwise.

    Returns:
        `height` of the chain; `answered` operations, and `throughput`, how many of them in a
        second; `longest_gap`, seconds without an acknowledged write (NaN: no writes); `elections`,
        how often a node began to lead; `election_gap`, the longest time without a leader between
        two (NaN: the leader never changed); `recovery`, seconds from the healing to full service;
        `trace_hash`.

    Example:
        >>> measured = measure_run(run_world(seed=1, duration=2.0))
        >>> measured["elections"], measured["longest_gap"] < 1.0
        (1, True)
    """
    outcome, duration = world.outcome, world._duration
    columns = world._simulation.operations()
    ends = sorted(
        end
        for kind, code, end in zip(columns["kind"], columns["outcome"], columns["end"], strict=True)
        if code == "ok" and end is not None and end < duration and kind in WRITES
    )
    answered = sum(
        code in ("ok", "not found", "compare failed") and end is not None and end < duration
        for code, end in zip(columns["outcome"], columns["end"], strict=True)
    )
    times = [0.0, *ends, duration]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    spans = [span for span in world.leaderships() if span["start"] < duration]
    without = [
        after["start"] - before["end"]
        for before, after in itertools.pairwise(spans)
        if after["start"] > before["end"]
    ]
    return {
        "height": outcome["height"],
        "answered": answered,
        "throughput": answered / duration,
        "longest_gap": max(gaps) if any(kind in WRITES for kind in columns["kind"]) else math.nan,
        "elections": len(spans),
        "election_gap": max(without, default=math.nan),
        "recovery": outcome["recovery_ms"] / 1000,
        "trace_hash": outcome["trace_hash"],
    }


def sweep(
    seeds: Iterable[int],
    parameters: Mapping[str, Sequence[Any]] | None = None,
    executor: Executor | None = None,
    measure: Measure | None = None,
    progress: bool = True,
    **fixed: Any,
) -> pd.DataFrame:
    """Runs every seed with every combination of parameters.

    The rows do not depend on the executor: first parameter first, and seeds in their order. A run
    that fails is a row like the others; its `verdict` and `failure` say so, and its seed repeats
    it.

    Args:
        seeds: Such as `range(100)`.
        parameters: What is to be varied: arguments of `run`, each with its values. Parts of them
            are named by a dot, e.g. `{"nodes": [3, 5], "timing.election_timeout": [0.2, 0.4]}`.
        executor: Any of `concurrent.futures`; of a Dask cluster, `client.get_executor()`. Processes
            and threads both use all cores they have. None: one run after another, in here.
        measure: What is told of each run: called with its finished `World`, where it ran; returns a
            mapping. For processes and Dask it is a function of a module. None for `measure_run`.
        progress: Whether to show a progress bar.
        **fixed: Arguments of `run` that are the same in all runs.

    Returns:
        A row for each run: `seed`, the parameters, `verdict`, `failure`, and what `measure` gave.

    Raises:
        TypeError: There is no such argument of `run`, or one is of another kind.
        ValueError: A parameter has no values, or one that cannot be.

    Example:
        >>> table = sweep(range(2), {"nodes": [3, 5]}, duration=1.0, progress=False)
        >>> list(zip(table["nodes"], table["seed"], table["verdict"]))
        [(3, 0, 'passed'), (3, 1, 'passed'), (5, 0, 'passed'), (5, 1, 'passed')]
    """
    if not isinstance(seeds, Iterable):
        raise TypeError(f"seeds is a list of seeds, such as range(100), not {seeds!r}")
    # An executor is whatever has its submit(): that of Dask is none of Python's own.
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor is one of concurrent.futures, not {executor!r}")
    varied = dict(parameters or {})
    for name in (*varied, *fixed):
        _check(name)
    if both := varied.keys() & fixed.keys():
        raise TypeError(f"{min(both)} is a parameter, and cannot be the same in all runs as well")
    for name, values in varied.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise TypeError(f"parameters[{name!r}] is a list of values, not {values!r}")
        varied[name] = list(values)
        if not varied[name]:
            raise ValueError(f"parameters[{name!r}] has no values")
    listed = list(seeds)
    runs = [
        (seed, dict(zip(varied, values, strict=True)))
        for values in itertools.product(*varied.values())
        for seed in listed
    ]
    rows: list[dict[str, Any]] = []
    with tqdm(total=len(runs), unit="run", disable=not progress) as bar:
        for done in _chunks_done(runs, fixed, measure or measure_run, executor, bar.update):
            rows.extend(done)
    columns = None if rows else ["seed", *varied, "verdict", "failure"]
    return pd.DataFrame(rows, columns=columns)


def _chunks_done(
    runs: list[tuple[int, dict[str, Any]]],
    fixed: Mapping[str, Any],
    measure: Measure,
    executor: Executor | None,
    tell: Callable[[int], object],
) -> Iterator[list[dict[str, Any]]]:
    """Yields the rows in order, whatever order they are made in."""
    if executor is None:
        for each in runs:
            yield run_chunk([each], fixed, measure)
            tell(1)
        return
    workers = int(getattr(executor, "_max_workers", 0) or os.cpu_count() or 1)
    size = max(1, min(_CHUNK_MAX, math.ceil(len(runs) / (workers * _CHUNKS_PER_WORKER))))
    chunks = [runs[first : first + size] for first in range(0, len(runs), size)]
    futures: list[Future[list[dict[str, Any]]]] = [
        executor.submit(run_chunk, chunk, fixed, measure) for chunk in chunks
    ]
    try:
        for future in as_completed(futures):
            tell(len(future.result()))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    yield from (future.result() for future in futures)


def run_chunk(
    runs: Iterable[tuple[int, Mapping[str, Any]]], fixed: Mapping[str, Any], measure: Measure
) -> list[dict[str, Any]]:
    """Returns the rows of a few runs; called where the executor has its workers.

    Example:
        >>> run_chunk([(1, {"nodes": 3})], {"duration": 0.5}, lambda world: {})
        [{'seed': 1, 'nodes': 3, 'verdict': 'passed', 'failure': ''}]
    """
    rows = []
    for seed, varied in runs:
        world = run_world(seed, **_settings(fixed, varied))
        outcome = world.outcome
        told = {"verdict": outcome["verdict"], "failure": outcome["failure"]}
        rows.append({"seed": seed, **varied, **told, **measure(world)})
    return rows


def _settings(fixed: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(fixed)
    for name, value in varied.items():
        part, _, member = name.partition(".")
        if member:
            settings[part] = replace(settings.get(part) or _PARTS[part](), **{member: value})
        else:
            settings[part] = value
    return settings


def _check(name: str) -> None:
    part, dot, member = name.partition(".")
    if not dot and name in _SETTINGS:
        return
    if part in _PARTS and member in (each.name for each in fields(_PARTS[part])):
        return
    raise TypeError(
        f"sweep has no parameter {name!r}; there are {', '.join(_SETTINGS)}, and the members of "
        'timing, network and workload, such as "timing.heartbeat"'
    )
