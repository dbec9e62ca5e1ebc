"""What bench/counts.py makes of what it reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import counts  # noqa: E402


def test_the_metrics_of_a_node_are_found_by_their_names() -> None:
    found = counts.of_metrics(
        "# HELP paxledger_commands_decided_total Commands in these blocks.\n"
        "paxledger_commands_decided_total 120\n"
        'paxledger_messages_total{kind="peer_out"} 7\n'
        'paxledger_bytes_total{direction="sent"} 4096\n'
        "paxledger_keys 9\n"
    )
    assert found == {"writes": 120, "peer messages out": 7, "octets of messages, sent": 4096}


def test_what_perf_could_not_count_is_left_out() -> None:
    found = counts.of_perf(
        "<not supported>,,instructions:u,0,100.00,,\n"
        "50,,raw_syscalls:sys_enter,10,100.00,,\n"
        "7,,syscalls:sys_enter_poll,10,100.00,,\n"
    )
    assert found == {"system calls": 50, "calls of poll": 7}


def test_totals_are_shared_out_among_the_writes_of_the_leader() -> None:
    found = counts.shared_out({"leader": {"writes": 10, "a": 20}, "client": {"a": 5}}, seconds=2)
    assert found == {"leader": {"a": 2, "writes per second": 5}, "client": {"a": 0.5}}
    with pytest.raises(RuntimeError, match="nothing was decided"):
        counts.shared_out({"leader": {"writes": 0}}, seconds=2)


def test_the_table_shows_before_and_after() -> None:
    before = {"per_write": {"64": {"leader": {"system calls": 5.4}, "client": {"allocations": 23}}}}
    after = {"per_write": {"64": {"leader": {"system calls": 2.0}}}}
    table = counts.markdown([before, after]).splitlines()
    assert "| system calls | 5.4 → 2 |  |  |" in table
    assert "| allocations |  |  | 23.0 → – |" in table


def test_the_preloaded_library_counts_allocations_and_copies(tmp_path: Path) -> None:
    library = tmp_path / "allocations.so"
    counts.build_library(library)
    program = "import os; b = bytearray(1 << 20); bytes(b); print(os.getpid())"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_PRELOAD": str(library), "PAXLEDGER_COUNTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = counts.of_preloaded(tmp_path / run.stdout.strip())
    # The copy of the array is an allocation and a copy of a mebibyte.
    assert found["allocations"] > 0
    assert found["octets allocated"] >= 2 << 20
    assert found["copies of 256 octets or more"] >= 1
    assert found["octets so copied"] >= 1 << 20
