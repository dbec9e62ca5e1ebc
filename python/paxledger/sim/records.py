"""Makes the tables of a result out of what a simulation has recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paxledger.lab.recording import FaultEvent

_KINDS = {"get_local": "get", "get_ledger": "get"}
WRITES = ("put", "delete", "compare_and_put")
_DOWN = ("crash", "kill", "lose_disk", "damage")
_ACTIONS = {
    "cut": "fail_link",
    "mend": "fix_link",
    "disturb": "disturb",
    "lose_disk": "wipe",
}
# What is there until something else ends it; what lasts for a time of its own has a duration.
_FAILING = ("fail_sync", "fail_write")
_BREAKING = ("cut", "disturb", "pause", "slow_disk", "full_disk", *_FAILING, *_DOWN)

RawFault = tuple[float, str, str]


def operations_of(columns: Mapping[str, Sequence[Any]], now: float) -> dict[str, list[Any]]:
    """Returns the table of operations; what has no answer yet is still open now."""
    outcomes = []
    for kind, code in zip(columns["kind"], columns["outcome"], strict=True):
        outcome = word_of_code(str(code))
        if outcome in ("timeout", "unfinished"):
            outcome = "unknown" if kind in WRITES else "timeout"
        outcomes.append(outcome)
    return {
        "start": list(columns["start"]),
        "end": [now if end is None else end for end in columns["end"]],
        "kind": [_KINDS.get(kind, kind) for kind in columns["kind"]],
        "key": list(columns["key"]),
        "outcome": outcomes,
        "revision": list(columns["revision"]),
        "node": list(columns["node"]),
        "workload": [f"client {client}" for client in columns["client"]],
    }


def heights_of(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Returns the table of heights; who stands still or is down does not answer."""
    silent = [state != "running" for state in columns["state"]]

    def told(name: str, instead: Any) -> list[Any]:
        return [instead if off else value for off, value in zip(silent, columns[name], strict=True)]

    return {
        "time": list(columns["time"]),
        "node": list(columns["node"]),
        "height": told("height", None),
        "role": told("role", "unreachable"),
        "leader": told("leader", 0),
        "ballot": told("ballot", ""),
        "ready": told("whole", False),
    }


def leaderships_of(
    turns: Iterable[tuple[float, int, str, str]], faults: Iterable[RawFault], end: float
) -> list[dict[str, Any]]:
    """Returns who led from when to when: until another role, or until the node went down."""
    changes: list[tuple[float, int, int, str, str]] = [
        (time, order, node, role, ballot) for order, (time, node, role, ballot) in enumerate(turns)
    ]
    for time, text, _ in faults:
        fault = json.loads(text)
        if fault["kind"] in _DOWN:
            changes.append((time, 1 << 60, fault["node"], "down", ""))
    open_spans: dict[int, dict[str, Any]] = {}
    spans: list[dict[str, Any]] = []
    for time, _, node, role, ballot in sorted(changes):
        span = open_spans.pop(node, None)
        if span is not None:
            span["end"] = time
        if role == "leader":
            span = {"start": time, "end": end, "node": node, "ballot": ballot}
            open_spans[node] = span
            spans.append(span)
    return spans


def faults_of(
    raw: Sequence[RawFault], owned: set[int], events: Iterable[FaultEvent]
) -> list[dict[str, Any]]:
    """Returns the table of faults: the actions of schedules, and everything else that was done.

    Args:
        raw: What was done to the simulation, in order.
        owned: The places in `raw` that actions of a schedule stand for.
        events: Those actions.
    """
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
    parsed = [(time, json.loads(text), words) for time, text, words in raw]
    for place, (time, fault, words) in enumerate(parsed):
        if place in owned:
            continue
        kind = fault["kind"]
        cleared = _cleared(time, fault, parsed[place + 1 :]) if kind in _BREAKING else None
        rows.append(
            {
                "planned": time,
                "start": time,
                "end": time,
                "cleared": float("nan") if cleared is None else cleared,
                "action": _ACTIONS.get(kind, kind),
                "target": "",
                "nodes": str(fault.get("node", "")),
                "text": words,
                "error": "",
                "breaks": kind in _BREAKING and not _is_nothing(fault),
            }
        )
    return sorted(rows, key=lambda row: float(str(row["start"])))


def _cleared(
    time: float, fault: Mapping[str, Any], later: Sequence[tuple[float, dict[str, Any], str]]
) -> float | None:
    """When what a fault broke was mended; None if never."""
    if fault.get("duration_us"):
        return float(time + fault["duration_us"] / 1e6)
    kind, node = fault["kind"], fault.get("node")
    links = {tuple(link) for link in fault.get("links", ())}
    for at, other, _ in later:
        if other["kind"] == "heal":
            return at
        if kind in (*_FAILING, *_DOWN) and other["kind"] == "start" and other["node"] == node:
            return at
        if kind == "pause" and other["kind"] == "resume" and other["node"] == node:
            return at
        ends = {"cut": "mend", "disturb": "disturb"}.get(kind)
        if ends == other["kind"]:
            named = {tuple(link) for link in other.get("links", ())}
            links = links - named if named else set()
            if not links:
                return at
    return None


def _is_nothing(fault: Mapping[str, Any]) -> bool:
    """Whether a disturbance takes back an earlier one."""
    effects = ("drop_permille", "duplicate_permille", "reorder_permille", "delay_us", "jitter_us")
    return fault["kind"] == "disturb" and not any(fault.get(name) for name in effects)


def word_of_code(text: str) -> str:
    """Returns the word of an error's code, e.g. "no_quorum", from what people read of it."""
    return text.partition(",")[0].replace(" ", "_")
