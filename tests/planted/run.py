"""Shows that the simulator's checkers catch every planted bug, and how soon.

Usage: run.py PROGRAM [--write] [--jobs N] [--bugs N,N…]

PROGRAM is planted_sim. Prints one line for a bug: who caught it, and at which seed. Fails if a bug
is not caught within its `seeds_max` seeds, or by a checker that its entry in bugs.json does not
name, or if docs/internals/planted-bugs.md lists other bugs or checkers; --write writes that page
and the checkers' names. A table of promises about tests is worth what keeps it true.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests/planted/bugs.json"
CASES = ROOT / "tests/sim/cases"
PAGE = ROOT / "docs/internals/planted-bugs.md"
HEAD = """# Planted bugs

Tests that never fail prove nothing. Each of these bugs is a change of one line or two, planted into
generated copies of the sources (`scripts/plant.py`, `tests/planted/bugs.json`); the sources
themselves know nothing of them. `make test-planted` runs the simulator with each, seed after seed
from 1, until a checker catches it. It fails if one gets away, or if this page lists other bugs;
checker and seed may change with the simulator and are those of the last time the page was written.

| bug | file | what it breaks | caught by | at seed |
|---|---|---|---|---|
"""
MASKED = """
## Masked by a second defence

These cannot be caught by what a cluster does: something else makes up for them. They stay in the
table for whoever changes that other thing: `run.py PROGRAM --bugs N` hunts one in 3,000 seeds, and
none is caught. The unit tests of their modules fail with them.

| bug | file | what it breaks | masked by |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Catch:
    """What became of a bug."""

    seed: int
    rule: str
    text: str


def hunt(program: str, number: int, seeds: int) -> Catch | None:
    """Runs the seeds 1 to `seeds` with a bug."""
    command = [program, "--bug", str(number), "--seeds", f"1..{seeds}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")
    if done.returncode == 1:
        return None
    _, seed, rule, text = done.stdout.rstrip("\n").split("\t", 3)
    return Catch(int(seed), rule, text)


def stale_cases(program: str) -> list[str]:
    """The stored cases in which the bug of their name is no longer caught."""
    stale = []
    for path in sorted(CASES.glob("*.json")):
        number = path.name.split("-")[0]
        if number == "0":  # found without a bug that is planted
            continue
        command = [program, "--bug", number, "--case", str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            again = f"{program} --bug {number} --seeds 1..3000 --save {path.relative_to(ROOT)}"
            stale.append(f"{path.name} catches nothing any more; make it anew: {again}")
    return stale


def row(bug: dict[str, Any], seed: object) -> str:
    """The bug's line of the page."""
    cells = [
        bug["name"],
        f"`{bug['file']}`",
        bug["why"],
        ", ".join(bug["caught_by"]) or "–",
        str(seed),
    ]
    return "| " + " | ".join(cells) + " |"


def masked_row(bug: dict[str, Any]) -> str:
    """The line of a bug that something else makes up for."""
    cells = [bug["name"], f"`{bug['file']}`", bug["why"], bug["masked_by"]]
    return "| " + " | ".join(cells) + " |"


def without_catch(line: str) -> str:
    """A line of the page without its last two cells."""
    return line.rsplit("|", 3)[0]


def check_page(bugs: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| bug ")]
    caught = [without_catch(row(bug, 0)) for bug in bugs if bug["seeds_max"] > 0]
    masked = [masked_row(bug) for bug in bugs if bug["seeds_max"] == 0]
    found = [without_catch(line) for line in rows[: len(caught)]] + rows[len(caught) :]
    if found == caught + masked:
        return []
    return [f"{PAGE.relative_to(ROOT)} is not current; write it with --write"]


def main() -> int:
    """Hunts all bugs."""
    parser = argparse.ArgumentParser(description="Hunts the planted bugs")
    parser.add_argument("program")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bugs", help="numbers, with commas; default: all")
    arguments = parser.parse_args()
    bugs: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))
    wanted = {int(n) for n in arguments.bugs.split(",")} if arguments.bugs else None
    hunted = [bug for bug in bugs if (bug["number"] in wanted if wanted else bug["seeds_max"] > 0)]
    faults: list[str] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        clean = pool.submit(hunt, arguments.program, 0, 50)
        catches = list(
            pool.map(lambda b: hunt(arguments.program, b["number"], b["seeds_max"] or 3000), hunted)
        )
        if (wrong := clean.result()) is not None:
            faults.append(f"seed {wrong.seed} fails without a bug: {wrong.text}")
    for bug, catch in zip(hunted, catches, strict=True):
        name = f"{bug['number']:3} {bug['name']}"
        if catch is None:
            faults.append(f"{name}: not caught within {bug['seeds_max']} seeds")
            print(f"{name:64} NOT CAUGHT")
            continue
        print(f"{name:64} {catch.rule:16} seed {catch.seed:5}  {catch.text[:120]}")
        if arguments.write:
            bug["caught_by"] = [catch.rule]
    if arguments.write and wanted is None and not faults:
        text = json.dumps(bugs, indent=2, ensure_ascii=False) + "\n"
        TABLE.write_text(text, encoding="utf-8")
        rows = [row(bug, catch.seed) for bug, catch in zip(hunted, catches, strict=True) if catch]
        masked = [masked_row(bug) for bug in bugs if bug["seeds_max"] == 0]
        text = HEAD + "\n".join(rows) + "\n" + MASKED + "\n".join(masked) + "\n"
        PAGE.write_text(text, encoding="utf-8")
    faults += check_page(bugs) + ([] if wanted else stale_cases(arguments.program))
    for fault in faults:
        print(f"planted bugs: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
