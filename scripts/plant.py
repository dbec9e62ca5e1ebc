"""Writes copies of the sources that can have any one of the planted bugs, chosen at run time.

Usage: plant.py ROOT OUT     ROOT holds cpp/ and tests/planted/bugs.json; OUT becomes what cpp/ is.

Every bug names a text that occurs exactly once in its file, and what stands in its place when the
bug is chosen. The sources themselves know nothing of it. Fails if a text occurs not once, for then
the table no longer fits the sources. Files that would not change are left alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypedDict

MODULES = ("base", "ledger", "paxos", "kv", "engine", "wire", "storage", "sim")
IS = "::paxledger::planted::is"


class Bug(TypedDict, total=False):
    """One entry of the table; `masked_by` stands where nothing can catch the bug."""

    number: int
    name: str
    file: str
    form: str
    find: str
    replace: str
    why: str
    caught_by: list[str]
    seeds_max: int
    masked_by: str


def planted_text(bug: Bug) -> str:
    """What stands for `find` in the copy."""
    chosen = f"{IS}({bug['number']})"
    if bug["form"] == "expression":
        return f"({chosen} ? ({bug['replace']}) : ({bug['find']}))"
    if bug["form"] == "statement":
        return f"if ({chosen}) {{ {bug['replace']} }} else {{ {bug['find']} }}"
    if bug["form"] == "before":
        return f"if ({chosen}) {{ {bug['replace']} }} {bug['find']}"
    raise SystemExit(f"plant: bug {bug['number']}: unknown form {bug['form']!r}")


def plant(root: Path, bugs: list[Bug]) -> dict[str, str]:
    """The texts of all copies by their path below cpp/."""
    texts = {
        f"{module}/{path.name}": path.read_text(encoding="utf-8")
        for module in MODULES
        for path in sorted((root / "cpp" / module).glob("*.[ch]pp"))
    }
    original = dict(texts)
    faults = []
    for bug in bugs:
        count = original.get(bug["file"], "").count(bug["find"])
        if count != 1 or texts[bug["file"]].count(bug["find"]) != 1:
            faults.append(f"bug {bug['number']} ({bug['name']}): its text occurs {count} times")
            continue
        texts[bug["file"]] = texts[bug["file"]].replace(bug["find"], planted_text(bug))
    if faults:
        raise SystemExit("\n".join(f"plant: {fault}" for fault in faults))
    for file in {bug["file"] for bug in bugs}:
        texts[file] = '#include "planted.hpp"\n' + texts[file]
    return texts


def main() -> None:
    """Writes the copies."""
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    bugs: list[Bug] = json.loads((root / "tests/planted/bugs.json").read_text(encoding="utf-8"))
    numbers = [bug["number"] for bug in bugs]
    if len(set(numbers)) != len(numbers):
        raise SystemExit("plant: a number stands for two bugs")
    for file, text in plant(root, bugs).items():
        target = out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
