"""Executes the notebooks of examples/ and stores them with their outputs.

    scripts/notebooks [--check] [FILE…]

With --check nothing is stored; a cell that fails ends it with its error. What differs between
machines and has nothing to say is taken out of the outputs: paths, times of execution, widgets.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 180

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_TEMPORARY = re.compile(r"/tmp/paxledger-\w+")


# nbformat has no types.
_node: Any = nbformat.from_dict
_read: Any = nbformat.read
_writes: Any = nbformat.writes


def prepare(notebook: Any) -> None:
    """Leaves nothing in a notebook that its next execution does not make."""
    notebook.metadata = _node(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata = _node({})
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None


def clean(notebook: Any, folder: str) -> None:
    """Takes out of the outputs what only this machine and this moment have."""
    notebook.metadata = _node(METADATA)
    for cell in notebook.cells:
        cell.metadata = _node({})
        if cell.cell_type == "code":
            outputs = [each for each in cell.outputs if _WIDGET not in each.get("data", {})]
            cell.outputs = [_node(_cleaned(each, folder)) for each in outputs]


def _cleaned(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        # The octets of a picture are no text, though they are stored as one.
        return {
            key: each if key.startswith("image/") else _cleaned(each, folder)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(each, folder) for each in value]
    if isinstance(value, str):
        value = value.replace(folder, ".").replace(str(ROOT), ".").replace(str(Path.home()), "~")
        value = _TEMPORARY.sub("/tmp/paxledger", value)
        return re.sub(rf"\b{re.escape(socket.gethostname())}\b", "localhost", value)
    return value


def execute(file: Path) -> Any:
    """Executes a notebook in an empty folder. Raises CellExecutionError."""
    notebook = _read(file, as_version=4)
    prepare(notebook)
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
        )
        client.execute()
        clean(notebook, folder)
    nbformat.validate(notebook)
    return notebook


def main() -> int:
    """The program; gives its exit code."""
    parser = argparse.ArgumentParser(description="Executes notebooks and stores their outputs.")
    parser.add_argument("--check", action="store_true", help="store nothing")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    options = parser.parse_args()
    # Bars of widgets say nothing in a stored notebook, so nobody misses what draws them.
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"
    os.environ.pop("MPLBACKEND", None)  # a notebook shows its pictures itself
    failed = False
    for file in options.files or sorted((ROOT / "examples").glob("*.ipynb")):
        try:
            notebook = execute(file)
        except CellExecutionError as failure:
            print(f"{file}: {failure}", file=sys.stderr)
            failed = True
            continue
        if not options.check:
            text = _writes(notebook, version=nbformat.NO_CONVERT)
            file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        print(f"{file.name}: executed{'' if options.check else ' and stored'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
