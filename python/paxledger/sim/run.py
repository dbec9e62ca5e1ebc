"""Whole runs of a simulated cluster: from a seed to a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paxledger.lab.result import Result
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.settings import number_of
from paxledger.sim.plan import DURATION_S_MAX, Network, Timing, Workload
from paxledger.sim.world import World


def run(
    seed: int = 1,
    nodes: int = 3,
    duration: float = 10.0,
    faults: str | Iterable[str] | Schedule | Iterable[Schedule | Step] | None = None,
    *,
    faults_every: float = 0.5,
    workload: Workload | None = None,
    timing: Timing | None = None,
    network: Network | None = None,
    disk: float = 0.002,
    interval: float = 0.1,
) -> Result:
    """Runs a simulated cluster under load and faults, and returns what an experiment would.

    After `duration` everything is healed and the cluster has to serve again; `metadata["verdict"]`
    says whether it did, and whether every promise was kept.

    Args:
        seed: Of everything that is left to chance.
        nodes: How many there are, 1 to 9.
        duration: Simulated seconds under load and faults.
        faults: By chance: "all" or a list of kinds, as for `World`. By plan: a schedule of
            `paxledger.lab`, such as `every(2.0).kill("leader", lasting=1.0)`.
        faults_every: As for `World`.
        workload: What the clients do; None for `Workload()`.
        timing: As for `World`.
        network: As for `World`.
        disk: As for `World`.
        interval: As for `World`.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its bounds.

    Example:
        >>> from paxledger.lab import at
        >>> result = run(seed=7, duration=3.0, faults=at(1.0).kill("leader", lasting=1.0))
        >>> result.metadata["verdict"], len(result.faults)
        ('passed', 2)
        >>> bool(result.gaps()["gap"][0] < 2.0)
        True
    """
    world = run_world(
        seed,
        nodes,
        duration,
        faults,
        faults_every=faults_every,
        workload=workload,
        timing=timing,
        network=network,
        disk=disk,
        interval=interval,
    )
    return world.result()


def run_world(
    seed: int = 1,
    nodes: int = 3,
    duration: float = 10.0,
    faults: Any = None,
    *,
    workload: Workload | None = None,
    events: bool = False,
    **settings: Any,
) -> World:
    """Returns the finished world of a `run`.

    Example:
        >>> run_world(seed=7, duration=1.0).outcome["verdict"]
        'passed'
    """
    number_of(duration, "duration", 0, DURATION_S_MAX, "seconds", above=True)
    by_chance, schedule = _chance_or_plan(faults)
    world = World(
        nodes,
        seed,
        faults=by_chance,
        workload=workload or Workload(),
        events=events,
        **settings,
    )
    if len(schedule):
        world.play(schedule, duration)
    world._duration = float(duration)
    world.run(until=duration)
    world.finish()
    return world


def _chance_or_plan(faults: Any) -> tuple[Any, Schedule]:
    if faults is None or isinstance(faults, str):
        return faults, Schedule()
    if isinstance(faults, Schedule):
        return None, faults
    if isinstance(faults, Step):
        return None, Schedule([faults])
    if not isinstance(faults, Iterable):
        raise TypeError(f'faults are "all", names of kinds, or a schedule, not {faults!r}')
    listed = list(faults)
    if all(isinstance(each, str) for each in listed):
        return listed, Schedule()
    return None, Schedule.of(listed)
