"""Makes the tables of a result out of plain records, whoever has recorded them.

A table is given as rows (a list of mappings) or as columns (a mapping of lists, or a data frame).
Columns that follow from others, or that many sources do not have, may be left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from paxledger.lab.recording import Sample
from paxledger.lab.schedule import Schedule
from paxledger.lab.settings import number_of, text_of, whole_of
from paxledger.lab.tables import SCHEMAS, conform, leaders_table

Records = pd.DataFrame | Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]]

# The columns without which there is no row; what the others are by default is in `_completed`.
REQUIRED = {
    "operations": ("start", "end", "kind", "key", "outcome"),
    "faults": ("start", "action"),
    "leaders": ("start", "end", "node"),
    "heights": ("time", "node", "height", "role"),
}
_ORDER = {
    "operations": ["start"],
    "faults": ["start"],
    "leaders": ["start", "node"],
    "heights": ["time", "node"],
}


def table_of(name: str, records: Records) -> pd.DataFrame:
    """Returns a table of a result, checked, complete and in its order.

    Raises:
        TypeError: It is no table.
        ValueError: A column is missing or unknown, or a value cannot be.
    """
    frame = _frame_of(name, records)
    unknown = [column for column in frame.columns if column not in SCHEMAS[name]]
    if unknown:
        raise ValueError(
            f"the table {name} has no column {unknown[0]!r}; it has {', '.join(SCHEMAS[name])}"
        )
    missing = [column for column in REQUIRED[name] if column not in frame.columns]
    if missing and len(frame.columns):
        raise ValueError(f"the table {name} lacks {', '.join(missing)}")
    if missing:
        frame = pd.DataFrame(columns=list(SCHEMAS[name]))
    table = conform(name, _completed(name, frame))
    return table.sort_values(_ORDER[name], kind="stable").reset_index(drop=True)


def leaders_of(heights: pd.DataFrame, interval: float) -> pd.DataFrame:
    """Returns who led when, as it follows from what the nodes said."""
    samples = [
        Sample(time, node, role, None, 0, ballot)
        for time, node, role, ballot in zip(
            heights["time"], heights["node"], heights["role"], heights["ballot"], strict=True
        )
    ]
    return leaders_table(samples, interval)


def _frame_of(name: str, records: Records) -> pd.DataFrame:
    if isinstance(records, pd.DataFrame):
        return records.copy()
    if isinstance(records, Mapping):
        lengths = {column: len(values) for column, values in records.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns of the table {name} differ in length: {lengths}")
        return pd.DataFrame(dict(records))
    if isinstance(records, (str, bytes)) or not isinstance(records, Iterable):
        raise TypeError(f"{name} are rows, columns or a data frame, not {records!r}")
    rows = list(records)
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"a row of {name} is a mapping of columns to values, not {row!r}")
    return pd.DataFrame(rows)


def _completed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Adds the columns that were left out."""
    if not len(frame):
        return frame.reindex(columns=list(SCHEMAS[name]))
    if name == "faults" and "nodes" in frame.columns:
        frame["nodes"] = [_ids(value) for value in frame["nodes"]]
    for column, default in _defaults(name, frame).items():
        if column not in frame.columns:
            frame[column] = default
    return frame


def _ids(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _defaults(name: str, frame: pd.DataFrame) -> dict[str, Any]:
    if name == "operations":
        latency = pd.to_numeric(frame["end"], "coerce") - pd.to_numeric(frame["start"], "coerce")
        return {
            "begun": frame["start"],
            "latency": latency,
            "workload": "workload",
            "revision": 0,
            "node": 0,
        }
    if name == "faults":
        text = frame["action"].astype(str)
        if "nodes" in frame.columns:
            text = (text + " " + frame["nodes"].astype(str)).str.strip()
        return {
            "planned": frame["start"],
            "end": frame["start"],
            "cleared": np.nan,
            "target": "",
            "nodes": "",
            "text": text,
            "error": "",
            "breaks": False,
        }
    if name == "leaders":
        return {"ballot": ""}
    return {"leader": 0, "ballot": "", "ready": frame["role"] != "unreachable"}


def metadata_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metadata of a result, complete and checked.

    Raises:
        TypeError: A member is of the wrong type.
        ValueError: A member is out of its bounds.
    """
    metadata = {
        "seed": 0,
        "interval": 0.1,
        "begun_at": "",
        "workloads": [],
        "schedule": [],
        "schedule_text": "",
        "cluster": "",
        "nodes": [],
        "configuration": "",
        "messages": {},
        "notes": [],
        "versions": {},
        **given,
    }
    check_metadata(metadata)
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError) as failure:
        raise TypeError(f"the metadata of a result is what JSON can hold: {failure}") from failure
    return metadata


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Raises TypeError or ValueError where a result could not do its work with its metadata."""
    for name in ("seed", "duration"):
        if name not in metadata:
            raise ValueError(f"the metadata of a result lacks {name}")
    whole_of(metadata["seed"], "seed", 0, (1 << 64) - 1)
    number_of(metadata["duration"], "duration", 0, 1e9, "seconds", above=True)
    number_of(metadata.get("interval", 0.1), "interval", 0, 1e6, "seconds", above=True)
    for name, kind, what in (
        ("schedule", list, "a list of steps"),
        ("workloads", list, "a list"),
        ("nodes", list, "a list of ids"),
        ("notes", list, "a list of texts"),
        ("messages", dict, "a mapping of outcomes to texts"),
    ):
        if not isinstance(metadata.get(name, kind()), kind):
            raise TypeError(f"{name} is {what}, not {metadata[name]!r}")
    text_of(metadata.get("configuration", ""), "configuration")
    try:
        Schedule.from_list(metadata.get("schedule", []))
    except (KeyError, TypeError, ValueError) as failure:
        what = f"{type(failure).__name__}: {failure}"
        raise ValueError(f"schedule is what to_list() of a Schedule gives: {what}") from failure
