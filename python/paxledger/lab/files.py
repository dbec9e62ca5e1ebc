"""Results in files.

A folder:       metadata.json, operations.parquet, faults.parquet, leaders.parquet, heights.parquet
JSON lines:     a line {"table": "metadata", …}, and then a line {"table": NAME, …} for each row

Both hold the same and give the same tables back.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from paxledger.lab.tables import SCHEMAS, conform

FORMAT = "paxledger.lab"
VERSION = 1
METADATA = "metadata.json"


def save(
    path: Path, metadata: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], overwrite: bool
) -> Path:
    """Writes a result; what was there before stays until the new one is complete.

    Raises:
        FileExistsError: There is something at `path`, and `overwrite` is false or it is no result.
    """
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise FileExistsError(f"{path} is there already; overwrite=True replaces it")
        if not _is_result(path):
            raise FileExistsError(f"{path} is there already, and is no result of an experiment")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    _remove(unfinished)
    stamped = {"format": FORMAT, "version": VERSION, **metadata}
    if path.suffix == ".jsonl":
        _save_lines(unfinished, stamped, tables)
    else:
        _save_folder(unfinished, stamped, tables)
    _remove(path)
    return unfinished.rename(path)


def load(path: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Reads a result: its metadata and its tables.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ValueError: It is no result, or one of a later version.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no result at {path}")
    try:
        metadata, tables = _load_folder(path) if path.is_dir() else _load_lines(path)
        return metadata, {name: conform(name, tables[name]) for name in SCHEMAS}
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError, OSError) as failure:
        what = f"{type(failure).__name__}: {failure}"
        raise ValueError(f"{path} is no result of an experiment, or a damaged one: {what}") from (
            failure
        )


def _is_result(path: Path) -> bool:
    try:
        if path.is_dir():
            _check(json.loads((path / METADATA).read_text(encoding="utf-8")), path)
        else:
            with path.open(encoding="utf-8") as lines:
                _check(json.loads(lines.readline()), path)
    except (OSError, ValueError):
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check(metadata: Any, path: Path) -> dict[str, Any]:
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"{path} is no result of an experiment: it does not say {FORMAT!r}")
    if metadata.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {metadata.get('version')} of the format; this Paxledger reads "
            f"{VERSION}"
        )
    return {
        key: value for key, value in metadata.items() if key not in ("format", "version", "table")
    }


# --- a folder


def _save_folder(
    path: Path, metadata: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    path.mkdir()
    text = json.dumps(metadata, indent=2, ensure_ascii=False, allow_nan=False)
    (path / METADATA).write_text(text + "\n", encoding="utf-8")
    for name, table in tables.items():
        table.to_parquet(path / f"{name}.parquet", index=False)


def _load_folder(path: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    if not (path / METADATA).exists():
        raise ValueError(f"{path} is no result of an experiment: it has no {METADATA}")
    metadata = _check(json.loads((path / METADATA).read_text(encoding="utf-8")), path)
    return metadata, {name: pd.read_parquet(path / f"{name}.parquet") for name in SCHEMAS}


# --- JSON lines


def _save_lines(
    path: Path, metadata: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    with path.open("w", encoding="utf-8") as lines:
        first = {"table": "metadata", **metadata}
        lines.write(json.dumps(first, ensure_ascii=False, allow_nan=False) + "\n")
        for name, table in tables.items():
            for row in _rows(table):
                line = {"table": name, **row}
                lines.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def _rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    columns = list(table.columns)
    # Python's own numbers; what is missing is null.
    values = [[_plain(value) for value in table[column].tolist()] for column in columns]
    for row in zip(*values, strict=True):
        yield dict(zip(columns, row, strict=True))


def _plain(value: Any) -> Any:
    if value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value


def _load_lines(path: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    rows: dict[str, dict[str, list[Any]]] = {
        name: {column: [] for column in schema} for name, schema in SCHEMAS.items()
    }
    with path.open(encoding="utf-8") as lines:
        metadata = _check(json.loads(lines.readline()), path)
        for line in lines:
            row = json.loads(line)
            for column, values in rows[row["table"]].items():
                values.append(row[column])
    return metadata, {name: pd.DataFrame(columns) for name, columns in rows.items()}
