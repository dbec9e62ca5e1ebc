"""Results in files.

A folder:       metadata.json, operations.parquet, faults.parquet, leaders.parquet, heights.parquet
JSON lines:     a line {"table": "metadata", …}, and then a line {"table": NAME, …} for each row

Both hold the same and give the same tables back. docs/reference/result-format.md describes them.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from paxledger.lab.records import check_metadata
from paxledger.lab.tables import SCHEMAS, conform

FORMAT = "paxledger.lab"
VERSION = 1
METADATA = "metadata.json"
SUFFIXES = (".jsonl", ".result", "")


def save(
    path: Path, metadata: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], overwrite: bool
) -> Path:
    """Writes a result; what was there before stays until the new one is complete.

    Raises:
        FileExistsError: There is something at `path`, and `overwrite` is false or it is no result.
        FileNotFoundError: The folder that it is to be in is missing.
        ValueError: The name has a suffix that is not one of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"{path} ends with {path.suffix!r}; expected .jsonl for a file of JSON lines, and "
            ".result or no suffix for a folder of Parquet files"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be saved: there is no folder {path.parent}")
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise FileExistsError(f"{path} is there already; overwrite=True replaces it")
        if not _is_result(path):
            raise FileExistsError(f"{path} is there already, and is no result of an experiment")
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
        ValueError: It is no result, a damaged one, or one of another version.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no result at {path}")
    metadata, tables = _load_folder(path) if path.is_dir() else _load_lines(path)
    try:
        check_metadata(metadata)
    except (TypeError, ValueError) as failure:
        where = path / METADATA if path.is_dir() else f"{path}, line 1,"
        raise ValueError(f"{where} is damaged: {failure}") from failure
    for name in SCHEMAS:
        try:
            tables[name] = conform(name, tables[name])
        except ValueError as failure:
            where = path / f"{name}.parquet" if path.is_dir() else path
            raise ValueError(f"{where} is damaged: {failure}") from failure
    return metadata, tables


def _is_result(path: Path) -> bool:
    try:
        if path.is_dir():
            _load_metadata(path)
        else:
            with path.open("rb") as lines:
                _check(_object_of(lines.readline(), f"{path}, line 1,"), path)
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
    metadata = _load_metadata(path)
    return metadata, {name: _load_parquet(path / f"{name}.parquet") for name in SCHEMAS}


def _load_metadata(path: Path) -> dict[str, Any]:
    file = path / METADATA
    if not file.exists():
        raise ValueError(f"{path} is no result of an experiment: it has no {METADATA}")
    return _check(_object_of(file.read_bytes(), str(file)), file)


def _load_parquet(file: Path) -> pd.DataFrame:
    if not file.exists():
        raise ValueError(f"{file.parent} is a damaged result: it has no {file.name}")
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as failure:
        raise ValueError(f"{file} is damaged: {failure}") from failure


def _object_of(octets: bytes, where: str) -> dict[str, Any]:
    """Reads a JSON object; `where` begins the message of what is wrong with it."""
    try:
        value = json.loads(octets.decode("utf-8"))
    except json.JSONDecodeError as failure:
        raise ValueError(
            f"{where} is no result of an experiment, or damaged: "
            f"{failure.msg} at character {failure.pos}"
        ) from failure
    except UnicodeDecodeError as failure:
        raise ValueError(f"{where} is no result of an experiment: it is no UTF-8") from failure
    if not isinstance(value, dict):
        raise ValueError(f"{where} is no result of an experiment: it holds no JSON object")
    return value


# --- JSON lines


def _save_lines(
    path: Path, metadata: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    with path.open("w", encoding="utf-8") as lines:
        counts = {name: len(table) for name, table in tables.items()}
        first = {"table": "metadata", **metadata, "rows": counts}
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
    with path.open("rb") as lines:
        metadata = _check(_object_of(lines.readline(), f"{path}, line 1,"), path)
        for number, line in enumerate(lines, 2):
            where = f"{path}, line {number},"
            row = _object_of(line, where)
            if not line.endswith(b"\n"):
                raise ValueError(f"{where} is damaged: it has no end")
            columns = rows.get(str(row.get("table")))
            if columns is None:
                raise ValueError(
                    f"{where} is damaged: its table is {row.get('table')!r}; expected one of "
                    f"{', '.join(SCHEMAS)}"
                )
            for column, values in columns.items():
                if column not in row:
                    raise ValueError(f"{where} is damaged: it lacks {column}")
                values.append(row[column])
    _check_counts(path, metadata, rows)
    return metadata, {name: pd.DataFrame(columns) for name, columns in rows.items()}


def _check_counts(
    path: Path, metadata: dict[str, Any], rows: Mapping[str, Mapping[str, Sequence[Any]]]
) -> None:
    """Tells a file that ends between two lines too early from a complete one."""
    counts = metadata.pop("rows", None)
    if counts is None:  # a file of before there was this member
        return
    for name, columns in rows.items():
        found = len(next(iter(columns.values())))
        wanted = counts.get(name) if isinstance(counts, dict) else None
        if found != wanted:
            raise ValueError(
                f"{path} is damaged: line 1 promises {wanted} rows of {name}, and there are {found}"
            )
