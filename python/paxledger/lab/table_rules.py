"""What the values of a result's tables may be; docs/reference/result-format.md has it in words.

An error names the table, the row, the column, the value and what was expected there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from paxledger.lab.workload import KINDS

ROLES = ("leader", "follower", "candidate", "unreachable")

_Rule = tuple[str, str, Any]  # a column, where it is wrong, what was expected


def typed(table: str, column: str, values: pd.Series[Any], kind: str) -> pd.Series[Any]:
    """Returns a column as what it is meant to be; nothing is rounded, cut or guessed.

    Raises:
        ValueError: A value cannot be that.
    """
    if str(values.dtype) == kind and kind != "category":
        return values
    fits, expected = _FITS[kind]
    if not _all_fit(values, kind):
        for row, value in enumerate(values.tolist()):
            if not fits(value):
                raise ValueError(
                    f"the table {table} has {column} = {value!r} in row {row}; expected {expected}"
                )
    if kind == "category":
        texts = values.astype("object")
        return texts.astype(pd.CategoricalDtype(sorted(set(texts.tolist()))))
    cast: Any = values.astype
    return cast(kind)  # type: ignore[no-any-return]


def _all_fit(values: pd.Series[Any], kind: str) -> bool:
    """Whether the type of the whole column already says that every value fits."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        known = not values.isna().any()
        return known and kind in ("category", "string") and _texts(values.cat.categories)
    if kind in ("category", "string"):
        return _texts(values)
    if kind == "float64":
        return types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype)
    if kind == "int64":
        return types.is_integer_dtype(values.dtype) and not values.isna().any()
    return False


def _texts(values: Any) -> bool:
    return types.infer_dtype(values, skipna=False) in ("string", "empty") and not any(
        pd.isna(values)
    )


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _is_number(value: Any) -> bool:
    return _is_missing(value) or (isinstance(value, Real) and not isinstance(value, bool))


def _is_whole(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_whole_or_missing(value: Any) -> bool:
    return _is_missing(value) or _is_whole(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_FITS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "float64": (_is_number, "a number"),
    "int64": (_is_whole, "a whole number"),
    "Int64": (_is_whole_or_missing, "a whole number, or nothing"),
    "bool": (_is_flag, "True or False"),
    "string": (_is_text, "a text"),
    "category": (_is_text, "a text"),
}


def check(table: str, frame: pd.DataFrame) -> None:
    """Raises ValueError for the first value of a typed table that breaks a rule."""
    for column, expected, wrong in _RULES[table](frame):
        bad = np.flatnonzero(np.asarray(wrong, dtype=bool))
        if bad.size:
            row = int(bad[0])
            value = frame[column].tolist()[row]
            raise ValueError(
                f"the table {table} has {column} = {value!r} in row {row}; expected {expected}"
            )


def _time(frame: pd.DataFrame, column: str) -> _Rule:
    values = frame[column]
    return column, "seconds from 0 on", ~(np.isfinite(values) & (values >= 0))


def _not_before(frame: pd.DataFrame, column: str, other: str) -> _Rule:
    return column, f"a time that is not before {other}", frame[column] < frame[other]


def _at_least(frame: pd.DataFrame, column: str, least: int) -> _Rule:
    wrong = (frame[column] < least).fillna(False)
    return column, f"a whole number from {least} on", wrong


def _word(frame: pd.DataFrame, column: str, words: tuple[str, ...]) -> _Rule:
    return column, f"one of {', '.join(words)}", ~frame[column].isin(words)


def _not_empty(frame: pd.DataFrame, column: str) -> _Rule:
    return column, "a word", frame[column] == ""


def _operations(frame: pd.DataFrame) -> Iterator[_Rule]:
    yield from (_time(frame, "start"), _time(frame, "begun"), _time(frame, "end"))
    yield _not_before(frame, "begun", "start")
    yield _not_before(frame, "end", "begun")
    wrong = ~np.isclose(frame["latency"], frame["end"] - frame["start"], rtol=0, atol=1e-6)
    yield "latency", "end - start", wrong
    yield _word(frame, "kind", KINDS)
    yield from (_not_empty(frame, "workload"), _not_empty(frame, "outcome"))
    yield from (_at_least(frame, "revision", 0), _at_least(frame, "node", 0))


def _faults(frame: pd.DataFrame) -> Iterator[_Rule]:
    yield from (_time(frame, "planned"), _time(frame, "start"), _time(frame, "end"))
    yield _not_before(frame, "end", "start")
    yield _not_before(frame, "cleared", "start")
    yield _not_empty(frame, "action")
    wrong = [not all(word.isdecimal() for word in text.split()) for text in frame["nodes"]]
    yield "nodes", "ids with blanks between them", wrong


def _leaders(frame: pd.DataFrame) -> Iterator[_Rule]:
    yield from (_time(frame, "start"), _time(frame, "end"))
    yield _not_before(frame, "end", "start")
    yield _at_least(frame, "node", 1)


def _heights(frame: pd.DataFrame) -> Iterator[_Rule]:
    yield _time(frame, "time")
    yield from (_at_least(frame, "node", 1), _at_least(frame, "leader", 0))
    yield _at_least(frame, "height", 0)
    yield _word(frame, "role", ROLES)


_RULES: dict[str, Callable[[pd.DataFrame], Iterator[_Rule]]] = {
    "operations": _operations,
    "faults": _faults,
    "leaders": _leaders,
    "heights": _heights,
}
