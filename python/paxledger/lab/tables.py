"""The tables of a result: their columns, and how they come from what a run has written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from paxledger.lab.recording import FaultEvent, OperationRecord, Sample, Words
from paxledger.lab.table_rules import check, typed

OPERATIONS = {
    "start": "float64",
    "begun": "float64",
    "end": "float64",
    "latency": "float64",
    "workload": "category",
    "kind": "category",
    "key": "category",
    "outcome": "category",
    "revision": "int64",
    "node": "int64",
}
FAULTS = {
    "planned": "float64",
    "start": "float64",
    "end": "float64",
    "cleared": "float64",
    "action": "string",
    "target": "string",
    "nodes": "string",
    "text": "string",
    "error": "string",
    "breaks": "bool",
}
LEADERS = {"start": "float64", "end": "float64", "node": "int64", "ballot": "string"}
HEIGHTS = {
    "time": "float64",
    "node": "int64",
    "height": "Int64",
    "role": "category",
    "leader": "int64",
    "ballot": "string",
    "ready": "bool",
}
SCHEMAS = {"operations": OPERATIONS, "faults": FAULTS, "leaders": LEADERS, "heights": HEIGHTS}

# A node that says again that it leads after it was not heard for longer leads anew.
_SILENCE_INTERVALS = 10


def conform(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a table with exactly its columns and their types.

    Raises:
        ValueError: A column is missing, or a value is not what it is meant to be.
    """
    schema = SCHEMAS[name]
    missing = [column for column in schema if column not in frame.columns]
    if missing:
        raise ValueError(f"the table {name} lacks {', '.join(missing)}")
    frame = frame[list(schema)].reset_index(drop=True)
    table = pd.DataFrame(
        {column: typed(name, column, frame[column], kind) for column, kind in schema.items()}
    )
    check(name, table)
    return table


def operations_table(record: OperationRecord) -> pd.DataFrame:
    """Returns the operations in the order of their starts."""

    def words(codes: Sequence[int], known: Words) -> Any:
        kind = pd.CategoricalDtype(known.words())
        return pd.Categorical.from_codes(np.asarray(codes, dtype="int64"), dtype=kind)

    frame = pd.DataFrame(
        {
            "start": np.asarray(record.start),
            "begun": np.asarray(record.begun),
            "end": np.asarray(record.end),
            "latency": np.asarray(record.end) - np.asarray(record.start),
            "workload": words(record.workload, record.workloads),
            "kind": words(record.kind, record.kinds),
            "key": words(record.key, record.keys),
            "outcome": words(record.outcome, record.outcomes),
            "revision": np.asarray(record.revision),
            "node": np.asarray(record.node),
        }
    )
    return conform("operations", frame.sort_values("start", kind="stable"))


def faults_table(events: Iterable[FaultEvent]) -> pd.DataFrame:
    """Returns the actions of the schedule in the order in which they were carried out."""
    rows = [
        {
            "planned": event.planned,
            "start": event.start,
            "end": event.end,
            "cleared": float("nan") if event.cleared is None else event.cleared,
            "action": event.action,
            "target": event.target,
            "nodes": " ".join(map(str, event.nodes)),
            "text": event.text,
            "error": event.error,
            "breaks": event.breaks,
        }
        for event in events
    ]
    return conform("faults", pd.DataFrame(rows, columns=list(FAULTS)))


def heights_table(samples: Iterable[Sample]) -> pd.DataFrame:
    """Returns what each node said of itself, in the order of time."""
    rows = [
        (each.time, each.node, each.height, each.role, each.leader, each.ballot, each.ready)
        for each in samples
    ]
    frame = pd.DataFrame(rows, columns=list(HEIGHTS))
    return conform("heights", frame.sort_values(["time", "node"], kind="stable"))


def leaders_table(samples: Iterable[Sample], interval: float) -> pd.DataFrame:
    """Returns who said when that it leads: one row for each time without a break.

    Two may say so at once: one that was cut off does not know yet that another one was elected.
    """
    spans: list[dict[str, Any]] = []
    latest: dict[int, dict[str, Any]] = {}
    for sample in sorted(samples, key=lambda each: each.time):
        if sample.role != "leader":
            # One that did not answer once may still lead; one that says that it does not, does not.
            if sample.role != "unreachable":
                latest.pop(sample.node, None)
            continue
        span = latest.get(sample.node)
        silent = span is not None and sample.time - span["end"] > _SILENCE_INTERVALS * interval
        if span is None or span["ballot"] != sample.ballot or silent:
            span = {"start": sample.time, "node": sample.node, "ballot": sample.ballot}
            spans.append(span)
            latest[sample.node] = span
        span["end"] = sample.time
    frame = pd.DataFrame(spans, columns=list(LEADERS))
    return conform("leaders", frame.sort_values(["start", "node"], kind="stable"))
