"""Simulated clusters: experiments in milliseconds, each of them replayable from its seed.

result = sim.run(seed=7, nodes=5, faults="all")       # as an experiment with a live cluster
world = sim.World(nodes=3, seed=1)                     # told step by step
table = sim.sweep(range(1000), {"nodes": [3, 5]})      # many runs side by side
"""

from paxledger.lab import _requirements  # noqa: F401  says what to install where it is missing
from paxledger.sim.node import Request, SimulatedNode
from paxledger.sim.observation import Event
from paxledger.sim.plan import Network, Timing, Workload, draw_plan
from paxledger.sim.run import run, run_world
from paxledger.sim.sweep import measure_run, sweep
from paxledger.sim.world import World

__all__ = [
    "Event",
    "Network",
    "Request",
    "SimulatedNode",
    "Timing",
    "Workload",
    "World",
    "draw_plan",
    "measure_run",
    "run",
    "run_world",
    "sweep",
]
