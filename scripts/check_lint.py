"""Runs clang-tidy over the sources of cpp/, in parallel, and remembers what was clean.

Usage: check_lint.py BUILD_DIR [FILE…]   BUILD_DIR holds compile_commands.json

A source whose text, project headers, flags, configuration and clang-tidy are those of an earlier
clean run is not looked at again: its key is a file in BUILD_DIR/lint-cache.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
# Flags that gcc knows and clang does not, or that only say how to compile.
DROPPED_FLAGS = frozenset({"-Werror"})
# Warnings of clang that stand for a check which costs more (.clang-tidy says which).
EXTRA_WARNINGS = ("-Wreserved-identifier",)


def find_clang_tidy() -> str:
    """The program to run, by its number: before 16 there is no std::source_location."""
    for name in ("clang-tidy-16", "clang-tidy-18", "clang-tidy-19"):
        if shutil.which(name):
            return name
    sys.exit("check_lint: no clang-tidy here; scripts/install-deps check installs it")


def project_headers(path: Path, seen: set[Path]) -> set[Path]:
    """`path` and all headers of cpp/ that it includes, directly or not."""
    if path in seen or not path.is_file():
        return seen
    seen.add(path)
    for header in INCLUDE.findall(path.read_text(encoding="utf-8")):
        project_headers(ROOT / "cpp" / header, seen)
    return seen


def key_of(entry: dict[str, str], version: str) -> str:
    """The digest of everything that the findings for one source depend on."""
    digest = hashlib.sha256(version.encode())
    digest.update(repr(EXTRA_WARNINGS).encode())
    digest.update((ROOT / ".clang-tidy").read_bytes())
    digest.update(entry["command"].encode())
    for path in sorted(project_headers(Path(entry["file"]), set())):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def write_database(entries: list[dict[str, str]], folder: Path) -> None:
    """A compilation database for clang in `folder`, with the flags that it understands."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        words = shlex.split(entry["command"])
        while Path(words[0]).name == "ccache":
            words = words[1:]
        entry["command"] = shlex.join(word for word in words if word not in DROPPED_FLAGS)
    (folder / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")


def lint(program: str, database: Path, source: str) -> tuple[bool, str]:
    """Whether one source is clean, and what clang-tidy said."""
    warnings = [f"--extra-arg={each}" for each in EXTRA_WARNINGS]
    command = [program, "--quiet", "-p", str(database), *warnings, source]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode == 0, run.stdout + ("" if run.returncode == 0 else run.stderr)


def main(arguments: list[str]) -> int:
    """Lints what has changed; returns the exit code."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    build = Path(arguments[0]).resolve()
    chosen = {str(Path(name).resolve()) for name in arguments[1:]}
    everything = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    entries = [
        entry
        for entry in everything
        if Path(entry["file"]).is_relative_to(ROOT / "cpp")
        and Path(entry["file"]).is_file()
        and (not chosen or entry["file"] in chosen)
    ]
    if not entries:
        print("check_lint: compile_commands.json names no source of cpp/", file=sys.stderr)
        return 1
    program = find_clang_tidy()
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    cache = build / "lint-cache"
    cache.mkdir(exist_ok=True)
    write_database(entries, cache / "database")
    keys = {entry["file"]: key_of(entry, version.stdout) for entry in entries}
    open_sources = [source for source, key in keys.items() if not (cache / key).exists()]
    print(f"{program}: {len(keys)} sources, {len(open_sources)} to look at", flush=True)

    failed = 0
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(lint, program, cache / "database", s): s for s in open_sources}
        for number, run in enumerate(concurrent.futures.as_completed(runs), 1):
            source = runs[run]
            clean, output = run.result()
            if clean:
                (cache / keys[source]).touch()
            else:
                failed += 1
                print(output, flush=True)
            if number % 10 == 0 or number == len(open_sources):
                print(f"[{number}/{len(open_sources)} {time.monotonic() - start:.0f}s]", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
