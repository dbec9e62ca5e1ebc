#!/usr/bin/env python3
"""Counts what a committed write takes, and fails if it takes more than what is on record.

    bench/instructions.py PROGRAM [--record]       PROGRAM: paxledger_writes

Three nodes in one thread commit a fixed number of writes, under callgrind: the same binary counts
the same on every run, whatever else the machine does. Counted are, for each write and for all nodes
together: instructions without hashing, instructions of hashing, allocations, and octets for peers
and disks. OpenSSL and the C library are told to use their code for any x86-64 processor, so that
what one processor has and another has not makes no difference. bench/instructions.json is the
record; --record writes it anew. A rise of more than 10 % is a failure; what fell by as much is
said, and wants to be recorded.

Compilers make different instructions of one source: where another major version than that of the
record built the program, there is nothing to compare with, and the counts are only printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RECORD = Path(__file__).resolve().parent / "instructions.json"
RISE_MAX = 0.10
# Puts that are handed over together, and how many in all.
RUNS = {"1 at once": (1, 500), "64 at once": (64, 6400), "1,000 at once": (1000, 8000)}
HASHING = ("paxledger::ledger::sha256(*", "paxledger::ledger::tagged_sha256(*")
PLAIN_PROCESSOR = {
    "OPENSSL_ia32cap": "0x0:0x0",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,"
    "-SSSE3,-SSE4_2,-Fast_Copy_Backward",
}
GUARDED = ("allocations", "peer_bytes", "disk_bytes")

Counts = dict[str, dict[str, float]]


def callgrind(program: Path, at_once: int, writes: int, *toggles: str) -> tuple[int, str]:
    """The instructions within the counted function, and what the program printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command += ["--collect-atstart=no"]
        command += [f"--toggle-collect={each}" for each in ("paxledger_counted_writes", *toggles)]
        run = subprocess.run(
            [*command, str(program), str(at_once), str(writes)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **PLAIN_PROCESSOR},
        )
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or collected is None:
        raise RuntimeError(f"{' '.join(command)}: {run.stderr[-2000:]}")
    return int(collected[1]), run.stdout


def count(program: Path) -> dict[str, Any]:
    """Everything that is counted, with the compiler that made the program."""
    counts: Counts = {}
    compiler = ""
    for name, (at_once, writes) in RUNS.items():
        everything, printed = callgrind(program, at_once, writes)
        # Entering a function of the second list turns counting off, and leaving it on again.
        without_hashing, _ = callgrind(program, at_once, writes, *HASHING)
        found = json.loads(printed)
        compiler = found["compiler"]
        counts[name] = {
            "instructions": round(without_hashing / found["writes"], 1),
            "hashing": round((everything - without_hashing) / found["writes"], 1),
            **{what: found["per_write"][what] for what in GUARDED},
        }
    return {"compiler": compiler, "per_write": counts}


def compare(found: dict[str, Any], record: dict[str, Any]) -> tuple[list[str], bool]:
    """Lines for people, and whether nothing rose too far."""
    comparable = found["compiler"].split(".")[0] == record["compiler"].split(".")[0]
    lines = []
    good = True
    for run, counts in found["per_write"].items():
        for what, value in counts.items():
            recorded = record["per_write"].get(run, {}).get(what)
            line = f"{run:<13} {what:<14} {value:>12,.1f}"
            if not comparable or recorded is None:
                lines.append(line)
                good = good and not comparable
                if comparable:
                    lines[-1] += "  not on record: run with --record"
                continue
            change = value / recorded - 1
            line += f"  recorded {recorded:>12,.1f}  {change:+.1%}"
            if change > RISE_MAX:
                good = False
                line += "  ROSE: mend it, or record it with the reason in the commit"
            elif change < -RISE_MAX:
                line += "  fell: run with --record"
            lines.append(line)
    if not comparable:
        lines.append(
            f"built by version {found['compiler']}; the record is of {record['compiler']}, "
            "so nothing is compared"
        )
    return lines, good


def main() -> int:
    """The program; gives its exit code."""
    parser = argparse.ArgumentParser(description="Counts what a committed write takes.")
    parser.add_argument("program", type=Path)
    parser.add_argument("--record", action="store_true", help="write bench/instructions.json")
    options = parser.parse_args()
    found = count(options.program)
    if options.record:
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines, good = compare(found, json.loads(RECORD.read_text(encoding="utf-8")))
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
