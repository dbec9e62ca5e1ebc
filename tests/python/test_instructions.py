"""The guard of what a write takes fails on a rise, and only on that."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest

from cluster import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import instructions  # noqa: E402


@pytest.fixture
def record() -> dict[str, Any]:
    """What is on record."""
    found: dict[str, Any] = json.loads(instructions.RECORD.read_text(encoding="utf-8"))
    return found


def scaled_by(record: dict[str, Any], what: str, factor: float) -> dict[str, Any]:
    """The record as it would be if `what` were so many times as much in the last run."""
    found = copy.deepcopy(record)
    run = list(found["per_write"])[-1]
    found["per_write"][run][what] *= factor
    return found


def test_the_record_holds_every_run_and_meets_itself(record: dict[str, Any]) -> None:
    assert list(record["per_write"]) == list(instructions.RUNS)
    assert instructions.compare(record, record)[1]


@pytest.mark.parametrize("what", ["instructions", "hashing", *instructions.GUARDED])
def test_a_rise_of_more_than_a_tenth_fails(record: dict[str, Any], what: str) -> None:
    lines, good = instructions.compare(scaled_by(record, what, 1.11), record)
    assert not good
    assert ["ROSE" in line for line in lines].count(True) == 1
    assert instructions.compare(scaled_by(record, what, 1.09), record)[1]


def test_a_fall_is_said_and_does_not_fail(record: dict[str, Any]) -> None:
    lines, good = instructions.compare(scaled_by(record, "instructions", 0.8), record)
    assert good
    assert any("fell" in line for line in lines)


def test_a_count_that_is_not_on_record_fails(record: dict[str, Any]) -> None:
    old = copy.deepcopy(record)
    del old["per_write"][list(old["per_write"])[0]]["hashing"]
    assert not instructions.compare(record, old)[1]


def test_another_compiler_is_not_compared(record: dict[str, Any]) -> None:
    other = scaled_by(record, "instructions", 2) | {"compiler": "99.1.0"}
    lines, good = instructions.compare(other, record)
    assert good
    assert "nothing is compared" in lines[-1]
