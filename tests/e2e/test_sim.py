"""The command `paxledger sim`: seeds, replays, traces, cases, and what it says of bad input."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster import COMMAND
from waiting import scaled, wait_until

LIVENESS = 11


def sim(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), "sim", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=False,
    )


def sim_json(*arguments: object) -> Any:
    done = sim(*arguments, "-o", "json")
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def lost_majority(tmp_path: Path) -> Path:
    """A case that cannot go well: both other disks go at once. The rest of the script is idle."""
    second = 1_000_000_000
    script: list[dict[str, Any]] = [
        {"at_ns": second // 2, "kind": "pause", "node": 2, "duration_us": 50_000},
        {"at_ns": second * 7 // 10, "kind": "cut", "links": [[1, 2], [2, 1]]},
        {"at_ns": second * 9 // 10, "kind": "mend"},
        {"at_ns": second, "kind": "lose_disk", "node": 1},
        {"at_ns": second, "kind": "lose_disk", "node": 2},
        {"at_ns": second * 3 // 2, "kind": "clock_jump", "node": 3, "amount": 5_000_000},
    ]
    case = tmp_path / "lost.json"
    plan = {"seed": 1, "nodes": 3, "misfortunes": False, "safety_phase_ms": 2000}
    case.write_text(json.dumps({**plan, "script": script}))
    return case


def test_a_seed_gives_the_same_trace_hash_in_every_process() -> None:
    one = sim_json("--seed", 11)
    assert one["verdict"] == "passed" and one["answered"] > 0
    assert sim_json("--seed", 11)["trace_hash"] == one["trace_hash"]
    assert sim_json("--seed", 12)["trace_hash"] != one["trace_hash"]


def test_many_seeds_are_summed_up_whatever_the_number_of_processes() -> None:
    alone = sim_json("--seeds", "21..32")
    assert alone["ok"] and alone["seeds"] == 12 and alone["failures"] == []
    beside = sim_json("--seeds", "21..32", "--jobs", 3)
    assert beside["trace_hash_sum"] == alone["trace_hash_sum"]
    single = sim_json("--seed", 21)["answered"] + sim_json("--seeds", "22..32")["answers"]
    assert alone["answers"] == single


def test_options_change_the_run_and_stand_in_its_replay_command() -> None:
    run = sim_json("--seed", 5, "--nodes", 9, "--minutes", 0.05, "--faults", "crashes,partitions")
    assert run["profile"].startswith("9 nodes")
    assert "crashes" in run["profile"] and "pauses" not in run["profile"]
    assert run["simulated_s"] >= 3
    command = run["replay"].split()
    assert command[:2] == ["paxledger", "sim"]
    assert sim_json(*command[2:])["trace_hash"] == run["trace_hash"]


def test_a_trace_holds_every_event_as_a_line_of_json(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    watched = sim_json("--seed", 3, "--trace", trace)
    assert watched["trace_hash"] == sim_json("--seed", 3)["trace_hash"]
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    times = [event["at_us"] for event in events]
    assert times == sorted(times)
    sent = {event["id"] for event in events if event["event"] == "message"}
    arrived = [event["id"] for event in events if event["event"] == "arrived"]
    assert len(arrived) > 100 and len(sent) > 100
    blocks = [e["slot"] for e in events if e["event"] == "block" and e["node"] == 1]
    assert blocks[:3] == [1, 2, 3]


def test_a_case_that_fails_says_why_how_to_replay_it_and_becomes_smaller(
    lost_majority: Path, tmp_path: Path
) -> None:
    failed = sim("--case", lost_majority)
    assert failed.returncode == LIVENESS
    assert "liveness" in failed.stdout and "a node does not serve reads" in failed.stdout
    assert f"replay: paxledger sim --case {lost_majority}" in failed.stdout
    assert "repairing (the log was lost" in failed.stdout, "the trace around the failure"

    small = tmp_path / "small.json"
    shrunk = sim("--case", lost_majority, "--minimize", "--save", small)
    assert shrunk.returncode == LIVENESS
    plan = json.loads(small.read_text())
    assert len(plan["script"]) <= 2 and {f["kind"] for f in plan["script"]} == {"lose_disk"}
    assert plan["work"]["clients"] == 1
    assert sim("--case", small).returncode == LIVENESS


def test_a_saved_case_runs_as_its_seed_did(tmp_path: Path) -> None:
    case = tmp_path / "case.json"
    seed = sim_json("--seed", 8, "--save", case)
    assert sim_json("--case", case)["trace_hash"] == seed["trace_hash"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "x"], "'x' is no whole number"),
        (["--seeds", "5..1"], "expected A..B with A <= B"),
        (["--seeds", "1..2..3"], "no whole number"),
        (["--faults", "foo"], 'there is no "foo"; expected all, none, or some of crashes'),
        (["--faults", ""], 'there is no ""'),
        (["--faults", "crashes,,kills"], 'there is no ""'),
        (["--faults", "all,none"], "--faults: all stands alone"),
        (["--seeds", ".."], "--seeds: '' is no whole number"),
        (["--nodes", "10"], "expected a whole number from 1 to 9"),
        (["--jobs", "0"], "expected a whole number from 1 to 256"),
        (["--minutes", "-1"], "expected a number from 0.001 to 1440"),
        (["--case", "/no/such/file"], "cannot read /no/such/file"),
        (["--case", "/"], "cannot read /"),
        (["--seeds", "1..3", "--minimize"], "are about one seed or case"),
        (["--seed", "1", "--case", "x"], "excludes"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], message: str) -> None:
    done = sim(*arguments)
    assert done.returncode == 2
    assert message in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("{", "not JSON"),
        ("[]", "the plan: expected an object"),
        ('{"sed": 1}', "sed: there is no such member"),
        ('{"nodes": 0}', "nodes: expected 1 to 9, found 0"),
        ('{"work": {"keys": 0}}', "work: keys, pipeline and think_us_max are at least 1"),
        ('{"faults": {"fires": true}}', "faults.fires: there is no such member"),
        ('{"script": [{"kind": "explode"}]}', "script[0].kind: expected one of cut, mend"),
        ('{"script": [{"kind": "crash"}]}', "script[0].node: crash is about a node"),
        ('{"script": [{"kind": "cut", "links": [[1, 7]]}]}', "expected 1 to 3, found 7"),
        ('{"script": [{"kind": "cut", "links": [[2, 2]]}]}', "a link joins two nodes"),
        ('{"network": {"latency_us_max": -1}}', "network.latency_us_max: expected a whole"),
        ('{"network": {"latency_us_max": 9223372036854775808}}', "latency_us_max <= 86400000000"),
        ('{"timing": {"heartbeat_us": 900000}}', "expected heartbeat_us < election_timeout_us"),
        ('{"timing": {"resend_us": 3000}}', "expected batch_wait_us <= half of resend_us"),
        ('{"limits": {"window_bytes": 0}}', "limits.window_bytes: expected at least 1"),
        ('{"limits": {"pending_requests_max": 0}}', "pending_requests_max: expected at least 1"),
        ('{"work": {"patience_ms_max": 9223372036854775808}}', "expected 5 to 86400000"),
        ('{"work": {"session_ms": 1}}', "work.session_ms: expected 1000 to 86400000"),
        ('{"work": {"close_permille": 1001}}', "work: a share is at most 1000 permille"),
    ],
)
def test_a_bad_case_is_refused_with_the_member_that_is_wrong(
    plan: str, message: str, tmp_path: Path
) -> None:
    case = tmp_path / "case.json"
    case.write_text(plan)
    done = sim("--case", case)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr


def test_a_case_whose_script_names_a_node_that_was_left_out_is_refused(
    lost_majority: Path,
) -> None:
    done = sim("--case", lost_majority, "--nodes", 2)
    assert done.returncode == 2 and done.stdout == ""
    assert "names a node that is not there: clock_jump node 3" in done.stderr


def test_options_stand_in_the_replay_command_of_a_case(lost_majority: Path) -> None:
    case = lost_majority.rename(lost_majority.with_name("it's lost.json"))
    run = sim_json("--case", case, "--nodes", 5, "--faults", "pauses")
    command = shlex.split(run["replay"])
    assert command == [
        *("paxledger", "sim", "--case", str(case), "--nodes", "5", "--faults", "pauses"),
    ]
    assert sim_json(*command[2:])["trace_hash"] == run["trace_hash"]


@pytest.mark.parametrize("option", ["--trace", "--save"])
def test_a_file_that_cannot_be_written_is_told_before_the_run(option: str) -> None:
    done = sim("--seed", 1, "--minutes", 1440, option, "/no/such/folder/file")
    assert done.returncode == 8 and done.stdout == ""
    assert "to /no/such/folder/file" in done.stderr


@pytest.mark.parametrize("option", ["--trace", "--save"])
def test_a_file_that_was_not_written_does_not_hide_the_verdict(
    option: str, lost_majority: Path
) -> None:
    done = sim("--case", lost_majority, option, "/dev/full", "-o", "json")
    assert done.returncode == LIVENESS
    assert json.loads(done.stdout)["verdict"] == "liveness"
    assert "to /dev/full" in done.stderr
    assert sim("--seed", 1, option, "/dev/full").returncode == 8


def test_an_interrupt_ends_the_processes_that_simulate() -> None:
    command = [str(COMMAND), "sim", "--seeds", "1..1000000", "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        wait_until("two processes simulate", lambda: len(children.read_text().split()) == 2)
        workers = children.read_text().split()
        running.send_signal(signal.SIGINT)
        assert running.wait(scaled(10)) == -signal.SIGINT
        wait_until(
            "no process goes on simulating",
            lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers),
        )


def test_a_simulating_process_that_dies_is_a_crash_of_its_seed_alone() -> None:
    command = [str(COMMAND), "sim", "--seeds", "1..60", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        wait_until("a process simulates", lambda: children.read_text().split() != [])
        (worker,) = children.read_text().split()
        # Not SIGSEGV: a sanitizer would take it for a finding and end the process in its own way.
        subprocess.run(["kill", "-KILL", worker], check=True)
        out, _ = running.communicate(timeout=scaled(60))
        assert running.returncode == 10
    result = json.loads(out)
    assert result["seeds"] == 60 and result["failed"] == 1
    (failure,) = result["failures"]
    assert failure["verdict"] == "crash" and "signal 9" in failure["failure"]


def test_a_small_world_is_explored_to_its_end_in_the_same_number_of_states() -> None:
    done = subprocess.run(
        [str(COMMAND), "explore", "--commands", "0", "--duplicates", "0", "-o", "json"],
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["ok"] and report["verdict"] == "exhausted" and report["violation"] == ""
    assert report["states"] > 1000 and report["transitions"] > report["states"]


def test_an_exploration_that_is_given_up_says_so() -> None:
    command = [str(COMMAND), "explore", "--states-max", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert done.returncode == 8
    assert "states-max" in done.stdout


@pytest.mark.parametrize("bound", [["--leaders", "7"], ["--nodes", "8"], ["--commands", "999"]])
def test_bounds_that_make_no_sense_are_refused(bound: list[str]) -> None:
    command = [str(COMMAND), "explore", *bound]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert done.returncode == 2 and done.stderr != ""
