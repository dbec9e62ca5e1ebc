"""Results from plain records: no cluster, no thread, and every wrong value is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lab_results import kill, make_result

from paxledger.lab import Result, at
from paxledger.lab.tables import SCHEMAS

OPERATIONS: list[dict[str, Any]] = [
    {"start": 1.2, "end": 1.3, "kind": "put", "key": "b", "outcome": "ok", "revision": 5},
    {"start": 0.0, "end": 0.1, "kind": "get", "key": "a", "outcome": "not_found", "revision": 0},
]
FAULTS: list[dict[str, Any]] = [
    {"start": 1.0, "action": "kill", "nodes": 1, "breaks": True, "cleared": 1.5}
]
HEIGHTS: list[dict[str, Any]] = [
    {"time": 0.0, "node": 1, "height": 3, "role": "leader", "ballot": "1.1"},
    {"time": 0.1, "node": 1, "height": 4, "role": "leader", "ballot": "1.1"},
    {"time": 1.0, "node": 1, "height": None, "role": "unreachable", "ballot": ""},
    {"time": 1.1, "node": 2, "height": 4, "role": "leader", "ballot": "2.2"},
]


def make(**changes: Any) -> Result:
    given: dict[str, Any] = {
        "duration": 2.0,
        "operations": OPERATIONS,
        "faults": FAULTS,
        "heights": HEIGHTS,
        **changes,
    }
    return Result.from_records(**given)


def test_rows_columns_and_frames_give_the_same_result_which_is_complete(tmp_path: Path) -> None:
    result = make(seed=9, schedule=at(1.0).kill(1), configuration="cluster: x\n", faults=FAULTS)
    columns = {name: [row[name] for row in OPERATIONS] for name in OPERATIONS[0]}
    for operations in (columns, pd.DataFrame(columns), iter(OPERATIONS)):
        pd.testing.assert_frame_equal(make(operations=operations).operations, result.operations)
    first, second = result.operations.to_dict("records")
    assert first["start"] == 0.0, "in the order of the starts"
    assert (second["begun"], second["workload"], second["node"]) == (1.2, "workload", 0)
    assert second["latency"] == pytest.approx(0.1)
    (fault,) = result.faults.to_dict("records")
    assert (fault["text"], fault["nodes"], fault["end"], fault["error"]) == ("kill 1", "1", 1.0, "")
    spans = result.leaders[["start", "end", "node"]].to_numpy().tolist()
    assert spans == [[0.0, 0.1, 1.0], [1.1, 1.1, 2.0]], "as it follows from the heights"
    assert result.gaps()[["gap", "leader"]].to_numpy().tolist() == [[pytest.approx(0.3), 2.0]]
    result.plot().draw_without_rendering()
    for name in ("r", "r.jsonl"):
        again = Result.load(result.save(tmp_path / name))
        assert again.schedule == at(1.0).kill(1)
        assert again.metadata == result.metadata
        for table in SCHEMAS:
            pd.testing.assert_frame_equal(getattr(again, table), getattr(result, table))


def test_the_tables_of_an_experiment_are_records_too() -> None:
    live = make_result(faults=[kill(2, 2.0, 4.0)])
    again = Result.from_records(
        **{name: getattr(live, name) for name in SCHEMAS},
        **{key: value for key, value in live.metadata.items() if key != "schedule"},
        schedule=live.schedule,
    )
    for table in SCHEMAS:
        pd.testing.assert_frame_equal(getattr(again, table), getattr(live, table))
    assert str(again.summary()) == str(live.summary())


def test_columns_have_the_same_types_whatever_they_came_as() -> None:
    empty = Result.from_records(duration=1.0)
    full = make()
    numpy = make(
        operations={
            "start": np.array([0.0], dtype="float32"),
            "end": np.array([1], dtype="int32"),
            "kind": np.array(["put"]),
            "key": ["k"],
            "outcome": ["ok"],
            "revision": np.array([3], dtype="uint64"),
        }
    )
    for result in (empty, full, numpy):
        for table, schema in SCHEMAS.items():
            found = getattr(result, table).dtypes
            assert {column: str(kind) for column, kind in found.items()} == schema, table


def test_nothing_is_started_for_it() -> None:
    code = (
        "import threading\n"
        "from paxledger.lab import Result\n"
        "print(repr(Result.from_records(duration=1.0)), threading.active_count())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    wanted = "<paxledger.lab.Result: 1 s, 0 operations, 0 actions, seed 0> 1\n"
    assert done.stdout == wanted, done
    assert done.stderr == ""


def changed(rows: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    return [rows[0] | changes, *rows[1:]]


@pytest.mark.parametrize(
    ("table", "rows", "text"),
    [
        ("operations", changed(OPERATIONS, start="x"), "start = 'x' in row 0; expected a number"),
        ("operations", changed(OPERATIONS, start=float("nan")), "start = nan .*seconds from 0 on"),
        ("operations", changed(OPERATIONS, start=-1.0), "start = -1.0 in row 0; expected seconds"),
        ("operations", changed(OPERATIONS, end=float("inf")), "end = inf in row 0"),
        ("operations", changed(OPERATIONS, end=1.0), "end = 1.0 in row 0; .*not before begun"),
        ("operations", changed(OPERATIONS, kind="scan"), "kind = 'scan' .*one of get, put"),
        (
            "operations",
            changed(OPERATIONS, kind=None),
            "kind = (nan|None) in row 0; expected a text",
        ),
        ("operations", changed(OPERATIONS, outcome=""), "outcome = '' in row 0; expected a word"),
        ("operations", changed(OPERATIONS, revision=1.5), "revision = 1.5 .*a whole number"),
        ("operations", changed(OPERATIONS, revision=-1), "revision = -1 .*from 0 on"),
        ("operations", [r | {"begun": 0.0} for r in OPERATIONS], "begun = 0.0 .*not before start"),
        ("operations", [r | {"latency": 9.0} for r in OPERATIONS], "latency = 9.0 .*end - start"),
        ("operations", [{"start": 1.0}], "the table operations lacks end, kind, key, outcome"),
        ("operations", changed(OPERATIONS, colour=1), "operations has no column 'colour'"),
        ("faults", changed(FAULTS, cleared=0.5), "cleared = 0.5 in row 0; .*not before start"),
        ("faults", changed(FAULTS, breaks="yes"), "breaks = 'yes' .*True or False"),
        ("faults", changed(FAULTS, nodes="one"), "nodes = 'one' .*ids with blanks"),
        ("faults", changed(FAULTS, action=""), "action = '' "),
        ("leaders", [{"start": 1.0, "end": 0.5, "node": 1}], "end = 0.5 .*not before start"),
        ("leaders", [{"start": 1.0, "end": 2.0, "node": 0}], "node = 0 .*from 1 on"),
        ("heights", changed(HEIGHTS, role="boss"), "role = 'boss' .*one of leader, follower"),
        ("heights", changed(HEIGHTS, height=-2), "height = -2 in row 0; .*from 0 on"),
        ("heights", changed(HEIGHTS, height="3"), "height = '3' .*a whole number, or nothing"),
    ],
)
def test_a_wrong_value_is_named_with_its_table_column_and_row(
    table: str, rows: list[dict[str, Any]], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        make(**{table: rows})


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"operations": "ops"}, TypeError, "operations are rows, columns or a data frame"),
        ({"operations": [5]}, TypeError, "a row of operations is a mapping.*not 5"),
        ({"operations": {"start": [1], "end": []}}, ValueError, "differ in length"),
        ({"duration": 0}, ValueError, "duration is a number above 0"),
        ({"duration": "long"}, TypeError, "duration is a number .*not 'long'"),
        ({"seed": 1.5}, TypeError, "seed is a whole number .*not 1.5"),
        ({"interval": 0}, ValueError, "interval is a number above 0"),
        ({"notes": "note"}, TypeError, "notes is a list of texts, not 'note'"),
        ({"messages": []}, TypeError, "messages is a mapping"),
        ({"colours": {1, 2}}, TypeError, "what JSON can hold"),
        ({"worst": float("nan")}, TypeError, "what JSON can hold"),
        ({"schedule": "kill"}, TypeError, "a schedule is made of"),
    ],
)
def test_what_is_no_table_or_no_metadata_is_refused(
    changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make(**changes)
