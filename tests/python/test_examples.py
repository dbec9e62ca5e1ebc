"""The examples run, and the notebooks are stored as they were executed."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import store_notebooks
from waiting import scaled

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
by_name = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=scaled(240),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_examples_are_there() -> None:
    assert [path.name for path in SCRIPTS] == [
        "async_pipeline.py",
        "chain_audit.py",
        "phonebook.py",
    ]
    assert [path.name for path in NOTEBOOKS] == [
        "01_first_cluster.ipynb",
        "02_leader_failover.ipynb",
        "03_partitions.ipynb",
        "04_simulated_faults.ipynb",
        "05_paxos_step_by_step.ipynb",
    ]


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("phonebook", [r"\d+ puts and \d+ gets in .* every get saw the last put", r"\d{7}_netid"]),
        ("async_pipeline", [r"256 at a time: +[\d,]+ puts/s", r"10,000 items are stored"]),
        (
            "chain_audit",
            [
                r"put alice",
                "all nodes have the same chain",
                r"node-2: height .*: intact",
                r"height \d+: the checksum of a block is wrong",
            ],
        ),
    ],
)
def test_an_example_runs_without_a_warning(name: str, shows: list[str], tmp_path: Path) -> None:
    said = run("-W", "error", ROOT / f"examples/{name}.py", cwd=tmp_path)
    for pattern in shows:
        assert re.search(pattern, said), f"{pattern} is not in\n{said}"
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_the_phone_book_takes_the_nodes_that_it_is_given(serving: Any, tmp_path: Path) -> None:
    options = ("--endpoint", serving.endpoints[0], "--people", "5", "--operations", "20")
    said = run("-W", "error", ROOT / "examples/phonebook.py", *options, cwd=tmp_path)
    assert "5 people are in the book" in said


@by_name
def test_a_notebook_runs(notebook: Path, tmp_path: Path) -> None:
    run(ROOT / "scripts/store_notebooks.py", "--check", notebook, cwd=tmp_path)


@by_name
def test_a_notebook_is_stored_with_the_outputs_of_a_run_from_top_to_bottom(notebook: Path) -> None:
    stored: Any = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= 5
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    if notebook.name != "01_first_cluster.ipynb":
        assert any("image/png" in output.get("data", {}) for output in outputs), "a picture"


@by_name
def test_a_notebook_tells_nothing_of_the_machine_that_ran_it(notebook: Path) -> None:
    stored = json.loads(notebook.read_text(encoding="utf-8"))
    assert stored["metadata"] == store_notebooks.METADATA
    for number, cell in enumerate(stored["cells"], 1):
        assert cell["id"] == f"cell-{number:02}"
        assert cell["metadata"] == {}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    text = json.dumps(stored)
    assert not re.search(r"/(tmp|home|root|work|Users)/", text)
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)


def test_what_only_one_machine_has_is_taken_out_of_outputs_but_not_of_pictures() -> None:
    notebook: Any = nbformat.from_dict(  # type: ignore[no-untyped-call]
        {
            "cells": [
                {
                    "cell_type": "code",
                    "metadata": {"execution": {"iopub.execute_input": "now"}},
                    "outputs": [
                        {"output_type": "display_data", "data": {"image/png": "ab/tmp/run/cd"}},
                        {
                            "output_type": "display_data",
                            "data": {"application/vnd.jupyter.widget-view+json": {}},
                        },
                        {"output_type": "stream", "text": f"/tmp/run/x {ROOT}/y {Path.home()}/z"},
                    ],
                }
            ],
            "metadata": {"kernelspec": {"name": "my-own"}},
        }
    )
    store_notebooks.clean(notebook, "/tmp/run")
    (cell,) = notebook["cells"]
    picture, stream = cell["outputs"]
    assert picture["data"]["image/png"] == "ab/tmp/run/cd"
    assert stream["text"] == "./x ./y ~/z"
    assert cell["metadata"] == {} and notebook["metadata"] == store_notebooks.METADATA
