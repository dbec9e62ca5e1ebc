#!/usr/bin/env python3
"""Writes python/paxledger/_core.pyi, the types of the C++ module, or checks that it is up to date.

    .venv/bin/python scripts/stubs.py [--check]

The types come from the module itself, by pybind11-stubgen; what that cannot know is mended here:
enumerations get their values, and numbers are `int` and `float` instead of all that pybind11 would
convert. The module has to be built and installed (scripts/install-python).
"""

from __future__ import annotations

import argparse
import difflib
import enum
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from paxledger import _core

STUB = Path(__file__).resolve().parents[1] / "python/paxledger/_core.pyi"
HEAD = "# Made by scripts/stubs.py from the module; do not edit.\n"

_SIMPLER = (
    (r"typing\.SupportsInt \| typing\.SupportsIndex", "int"),
    (r"typing\.SupportsFloat \| typing\.SupportsIndex", "float"),
    (r"os\.PathLike(?! *\[)", "os.PathLike[str]"),
    (r"\bdict(?=[:\n,)])", "dict[str, typing.Any]"),
    (r"\blist(?=[:\n,)])", "list[typing.Any]"),
    (r"\btuple(?=[:\n,)])", "tuple[typing.Any, ...]"),
)


def generate() -> str:
    """Returns what the stub has to be."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["pybind11_stubgen", "--exit-code", "-o", folder, "paxledger._core"]
        run = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(f"pybind11-stubgen failed:\n{run.stdout}{run.stderr}")
        text = (Path(folder) / "paxledger/_core.pyi").read_text(encoding="utf-8")
    for pattern, simpler in _SIMPLER:
        text = re.sub(pattern, simpler, text)
    for each in vars(_core).values():
        if isinstance(each, type) and issubclass(each, enum.IntEnum):
            text = _with_values(text, each)
    return _formatted(HEAD + text)


def _formatted(text: str) -> str:
    """The same as the checks of Python want it."""
    for command in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(STUB), "-"]
        run = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True)
        text = run.stdout
    return text


def _with_values(text: str, kind: type[enum.IntEnum]) -> str:
    """The stub with the members of an enumeration as they are."""
    members = "".join(f"    {member.name} = {member.value}\n" for member in kind)
    body = f'class {kind.__name__}(enum.IntEnum):\n    """\n    {kind.__doc__}\n    """\n{members}'
    pattern = rf"class {kind.__name__}\(enum\.IntEnum\):\n(?:    .*\n)*"
    return re.sub(pattern, lambda _: body, text)


def main() -> int:
    """The program; gives its exit code."""
    parser = argparse.ArgumentParser(description="Writes the types of the C++ module.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args()
    wanted = generate()
    if not options.check:
        STUB.write_text(wanted, encoding="utf-8")
        return 0
    found = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
    difference = difflib.unified_diff(
        found.splitlines(keepends=True), wanted.splitlines(keepends=True), str(STUB), "the module"
    )
    sys.stderr.writelines(difference)
    if found != wanted:
        print("stubs: run .venv/bin/python scripts/stubs.py", file=sys.stderr)
    return 0 if found == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
