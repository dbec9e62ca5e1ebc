"""The laboratory: a workload runs against a cluster while a schedule of faults plays.

    from paxledger import Cluster
    from paxledger.lab import Experiment, Mixed, at

    with Cluster.local(nodes=5) as cluster:
        schedule = at(2.0).kill("leader", lasting=2.0) + at(6.0).isolate("leader", lasting=2.0)
        result = Experiment(cluster, Mixed(rate=500), schedule, duration=10, seed=1).run()
    print(result.summary())
    result.plot().savefig("leaders.png")

docs/guide/experiments.md explains it. It needs pandas, pyarrow, matplotlib and tqdm:
`pip install 'paxledger[lab]'`.
"""

from __future__ import annotations

from paxledger.lab import _requirements  # noqa: F401  first: says what is missing
from paxledger.lab.experiment import Experiment, ExperimentError, ExperimentWarning
from paxledger.lab.moments import Moment, at, every
from paxledger.lab.result import Result
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.summary import Summary
from paxledger.lab.workload import Keys, Mixed, Operation, Phonebook, Puts, Workload

__all__ = [
    "Experiment",
    "ExperimentError",
    "ExperimentWarning",
    "Keys",
    "Mixed",
    "Moment",
    "Operation",
    "Phonebook",
    "Puts",
    "Result",
    "Schedule",
    "Step",
    "Summary",
    "Workload",
    "at",
    "every",
]
