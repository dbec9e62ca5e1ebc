"""The command line, as a person and a script use it, against nodes that it starts itself."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster import COMMAND, Cluster
from cluster_fixtures import MakeCluster
from waiting import scaled, wait_until

NOT_FOUND = 1
USAGE = 2
COMPARE_FAILED = 3
NO_QUORUM = 4
UNKNOWN = 5
REFUSED = 6
OTHER = 8


@pytest.fixture
def lab(make_cluster: MakeCluster) -> Iterator[Cluster]:
    """Five nodes that `paxledger up` has started; whatever happens, they end with the test."""
    cluster = make_cluster(5)
    try:
        run = cluster.command("up")
        assert run.returncode == 0, run.stdout + run.stderr
        yield cluster
    finally:
        down = cluster.command("down")
        kill_leftovers(cluster)
        assert down.returncode == 0, down.stderr


def kill_leftovers(cluster: Cluster) -> None:
    for pid in pids(cluster).values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pids(cluster: Cluster) -> dict[int, int]:
    """The processes that run, by what the pid files and /proc say."""
    found = {}
    for node in cluster.nodes:
        with contextlib.suppress(OSError, ValueError):
            pid = int((cluster.data_dir / f"node-{node.id}.pid").read_text())
            if b"paxledgerd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found[node.id] = pid
    return found


def status(cluster: Cluster) -> dict[int, dict[str, Any]]:
    """By node, with or without a leader. A node that does not answer says so under `error`."""
    run = cluster.command("status", "-o", "json")
    assert run.returncode in (0, NO_QUORUM), f"{run.returncode}\n{run.stdout}\n{run.stderr}"
    nodes = json.loads(run.stdout)["nodes"]
    assert len(nodes) == len(cluster.nodes)
    return dict(enumerate(nodes, 1))


def test_a_tour(lab: Cluster, tmp_path: Path) -> None:
    assert set(pids(lab)) == {1, 2, 3, 4, 5}
    again = lab.command("up")
    assert again.returncode == 0 and again.stderr.count("already runs") == 5

    # A write through one node, reads through another.
    put = lab.json("put", "alice", "555-0100", "--endpoint", lab.node(2).endpoint)
    assert put["revision"] == 1
    run = lab.command("get", "alice", "--endpoint", lab.node(5).endpoint)
    assert (run.returncode, run.stdout) == (0, "555-0100\n")
    for consistency in ("linearizable", "ledger"):
        got = lab.json("get", "alice", "--consistency", consistency)
        assert (got["value"], got["revision"]) == ("555-0100", 1)
    assert lab.json("get", "alice", "--consistency", "local")["height"] >= 1

    # Exit codes tell the outcomes apart, and each has its JSON.
    assert lab.json("get", "nobody", code=NOT_FOUND)["error"] == "not found"
    assert lab.command("get", "nobody").returncode == NOT_FOUND
    assert lab.json("del", "nobody", code=NOT_FOUND)["error"] == "not found"
    assert lab.json("cas", "alice", 0, "x", code=COMPARE_FAILED)["error"] == "compare failed"
    assert lab.json("cas", "alice", 1, "555-0199")["revision"] == 2
    assert lab.json("put", "", "x", code=REFUSED)["error"] == "bad request"
    assert lab.json("put", "k" * 5000, "x", code=REFUSED)["error"] == "too large"
    piped = lab.command("put", "piped", "-", input_text="from a pipe\n")
    assert piped.returncode == 0
    raw = lab.command("get", "piped", "--raw")
    assert raw.stdout == "from a pipe\n"
    scanned = lab.json("scan", "p")
    assert [item["key"] for item in scanned["items"]] == ["piped"]

    # What there is to see.
    assert lab.command("status").returncode == 0
    nodes = status(lab)
    assert {each["role"] for each in nodes.values()} == {"leader", "follower"}
    assert all(each["reachable"] and each["process"] == "running" for each in nodes.values())
    table = lab.command("status").stdout
    assert table.count("follower") == 4 and table.count("leader") == 1

    shown = lab.json("chain", "show")
    assert shown["blocks"][-1]["height"] == shown["head"]
    for before, after in zip(shown["blocks"], shown["blocks"][1:], strict=False):
        assert after["previous"] == before["hash"]
    text = lab.command("chain", "show", "--last", 50).stdout
    for word in ("HEIGHT", "HASH", "PREVIOUS", "NONCE", "put alice"):
        assert word in text, text

    verified = lab.json("chain", "verify")
    assert verified["ok"] and len(verified["chains"]) == 5
    assert {chain["problems"] == [] for chain in verified["chains"]} == {True}

    history = tmp_path / "history"
    exported = lab.json("chain", "export", history)
    assert exported["height"] >= shown["head"]
    assert lab.json("chain", "verify", "--history", history)["ok"]
    octets = bytearray(history.read_bytes())
    octets[len(octets) // 2] ^= 1
    history.write_bytes(octets)
    assert not lab.json("chain", "verify", "--history", history, code=7)["ok"]

    def kv_is_the_same() -> bool:
        kv = lab.json("kv")["nodes"]
        return len(kv) == 5 and all(
            {item["key"]: item["value"] for item in each["items"]}
            == {"alice": "555-0199", "piped": "from a pipe\n"}
            for each in kv
        )

    wait_until("all nodes show the same keys", kv_is_the_same)
    assert "alice" in lab.command("kv").stdout
    assert [each["items"] for each in lab.json("queue")["nodes"]] == [[]] * 5


def test_killed_and_paused_nodes_come_back_by_heal(lab: Cluster) -> None:
    before = pids(lab)
    lab.json("fault", "node", 3)
    lab.json("fault", "node", 4, "--pause")
    lab.json("fault", "link", 1, 2, "--delay", "5ms")
    faults = lab.json("fault", "list")
    assert (faults["killed"], faults["paused"]) == ([3], [4])
    assert {(each["from"], each["to"]) for each in faults["links"]} == {(1, 2), (2, 1)}
    assert 3 not in pids(lab)
    nodes = status(lab)
    assert (nodes[3]["process"], nodes[4]["process"]) == ("stopped", "paused")
    assert "error" in nodes[3] and "error" in nodes[4]
    # One of the two may have been the leader.
    assert lab.json("put", "bob", "555-0199")["revision"]
    assert lab.json("get", "bob")["value"] == "555-0199"

    lab.json("fault", "heal")
    ready = {number: each.get("ready") for number, each in status(lab).items()}
    assert set(ready.values()) == {True}, f"right after heal, ready are: {ready}"
    faults = lab.json("fault", "list")
    assert not (faults["links"] or faults["killed"] or faults["paused"])
    after = pids(lab)
    assert set(after) == {1, 2, 3, 4, 5} and after[3] != before[3] and after[4] == before[4]

    def same_heads() -> bool:
        return len({(each["height"], each["head"]) for each in status(lab).values()}) == 1

    wait_until("all heads are equal", same_heads)


def test_heal_resumes_what_others_paused_and_names_what_others_stopped(lab: Cluster) -> None:
    running = pids(lab)
    os.kill(running[3], signal.SIGSTOP)
    wait_until("node 3 has stopped", lambda: status(lab)[3]["process"] == "paused")
    healed = lab.command("fault", "heal")
    assert healed.returncode == 0 and "resumed node 3" in healed.stderr, healed
    assert status(lab)[3]["ready"]

    os.kill(running[4], signal.SIGKILL)
    wait_until("node 4 has ended", lambda: status(lab)[4]["process"] == "stopped")
    refused = lab.command("fault", "heal")
    assert refused.returncode == OTHER, refused
    assert "node 4 is stopped, and not by `paxledger fault`" in refused.stderr
    assert "`paxledger up` starts it" in refused.stderr
    assert "all nodes are ready" not in refused.stdout
    assert lab.command("up").returncode == 0
    assert lab.command("fault", "heal").returncode == 0


def test_a_killed_node_stays_recorded_until_it_is_back(lab: Cluster) -> None:
    assert lab.command("fault", "node", 2).returncode == 0
    with socket.create_server(("127.0.0.1", lab.node(2).client_port)):
        refused = lab.command("fault", "heal")
    assert refused.returncode == OTHER and "node 2 ended" in refused.stderr, refused
    assert lab.json("fault", "list")["killed"] == [2]
    healed = lab.command("fault", "heal")
    assert healed.returncode == 0, healed
    assert status(lab)[2]["ready"] and lab.json("fault", "list")["killed"] == []


def test_heal_waits_until_a_node_that_was_cut_off_has_caught_up(lab: Cluster) -> None:
    for other in (1, 2, 4, 5):
        assert lab.command("fault", "link", 3, other).returncode == 0
    lab.node(3).wait_status("hears no majority", lambda status: not status["hears_quorum"])
    load = lab.command("bench", "--duration", "3s")
    assert load.returncode == 0, load
    written = max(each.get("height", 0) for each in status(lab).values())
    assert lab.command("fault", "heal").returncode == 0
    height = lab.node(3).status()["height"]
    assert height >= written, f"{written - height} blocks behind right after heal"


def test_a_link_of_a_node_that_is_away_is_recorded_in_both_directions(lab: Cluster) -> None:
    for arguments, state in (([2, "--pause"], "paused"), ([3], "stopped")):
        node = arguments[0]
        assert lab.command("fault", "node", *arguments).returncode == 0
        run = lab.command("fault", "link", 1, node)
        assert run.returncode == 0, run
        assert f"link 1 ↔ {node}: blocked; node {node} is {state} and obeys when" in run.stdout
    links = lab.json("fault", "list")["links"]
    assert {(each["from"], each["to"]) for each in links} == {(1, 2), (2, 1), (1, 3), (3, 1)}
    assert lab.command("fault", "heal").returncode == 0
    assert lab.json("fault", "list")["links"] == []
    assert lab.command("down").returncode == 0
    refused = lab.command("fault", "link", 1, 2)
    assert refused.returncode == REFUSED and "paxledger up" in refused.stderr, refused


def test_an_option_of_a_link_that_is_given_blocks_nothing_also_at_zero(lab: Cluster) -> None:
    for option in (["--delay", "0ms"], ["--drop", 0], ["--duplicate", 0], ["--reorder", 0]):
        assert lab.command("fault", "link", 1, 2).returncode == 0
        cleared = lab.command("fault", "link", 1, 2, *option)
        assert cleared.returncode == 0 and cleared.stdout == "link 1 ↔ 2: clear\n", cleared
        assert lab.json("fault", "list")["links"] == []
    assert "delay 5 ms" in lab.command("fault", "link", 1, 2, "--delay", "5ms").stdout
    assert [each["block"] for each in lab.json("fault", "list")["links"]] == [False, False]


def test_a_paused_node_is_named_and_not_waited_for(lab: Cluster) -> None:
    lab.json("put", "k", "v")
    lab.json("fault", "node", 4, "--pause")
    begin = time.monotonic()

    kv = lab.json("kv", code=OTHER)["nodes"]
    assert kv[3] == {"endpoint": lab.node(4).endpoint, "node": 4, "error": "does not answer"}
    assert [each["items"][0]["value"] for each in kv if each["node"] != 4] == ["v"] * 4
    table = lab.command("kv")
    assert table.returncode == OTHER and "node 4: does not answer" in table.stderr
    assert "v (r1)" in table.stdout, "what the others have is shown all the same"
    queue = lab.command("queue")
    assert queue.returncode == OTHER and "node 4: does not answer" in queue.stderr

    seen = lab.command("status")
    assert seen.returncode == 0, "the cluster serves"
    assert "no answer from 1 of 5 nodes: node 4 (paused)" in seen.stderr
    assert re.search(r"^node 4 .* paused$", seen.stdout, re.MULTILINE)
    # Each of the four waited about its --timeout of a second, none for the deadline of five.
    assert time.monotonic() - begin < scaled(12)

    alone = lab.command("get", "k", "--node", 4, "--deadline", "500ms")
    assert alone.returncode == OTHER and "does not answer" in alone.stderr
    lab.json("fault", "heal")
    assert lab.command("kv").returncode == 0


def test_text_is_shown_as_text_and_nothing_else_reaches_the_terminal(cluster: Cluster) -> None:
    cluster.client().put("häuser".encode(), "日本語 → ok".encode())
    cluster.client().put(b"\xff", b"\x1b[31m\x00")
    cluster.client().put(b"long", b"v" * 5000)
    wide = cluster.command("put", "ключ", "значение")
    assert wide.stdout.startswith("put ключ, revision")
    for arguments in (["scan"], ["kv"], ["chain", "show", "--last", 50]):
        narrow = cluster.command(*arguments, environment={"COLUMNS": "100"})
        for text in ("häuser", "日本語 → ok", "ключ", "\\xff", "… (4.9 KiB)"):
            assert text in narrow.stdout, (arguments, text, narrow.stdout)
        full = cluster.command(*arguments, "--full", environment={"COLUMNS": "100"})
        assert "v" * 5000 in full.stdout and "…" not in full.stdout
        for run in (narrow, full):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", run.stdout), run.stdout
    assert max(len(line) for line in narrow.stdout.splitlines()) <= 100


def test_the_chain_in_json_has_its_operations_as_objects(cluster: Cluster) -> None:
    value = bytes(range(256))
    cluster.client().put(b"octets", value)
    cluster.json("cas", "octets", 1, "text")
    cluster.command("get", "octets", "--consistency", "ledger")
    cluster.json("del", "octets")
    blocks = cluster.json("chain", "show", "--from", 1)["blocks"]
    operations = [operation for block in blocks for operation in block["operations"]]
    by_kind = {operation["kind"]: operation for operation in operations}
    put = by_kind["put"]
    assert put["key"] == "octets" and base64.b64decode(put["value_base64"]) == value
    assert re.fullmatch(r"[0-9a-f]{16}", put["session"]) and put["sequence"] >= 1
    cas = by_kind["compare_and_put"]
    assert (cas["key"], cas["expected_revision"], cas["value"]) == ("octets", 1, "text")
    assert by_kind["read"]["key"] == by_kind["remove"]["key"] == "octets"
    assert by_kind["open_session"]["ttl_ms"] > 0 and "close_session" in by_kind


def test_what_a_command_line_cannot_mean_is_refused_by_name(small_lab: Cluster) -> None:
    for wrong, name in (
        (["fault", "node", 9], "there is no node 9"),
        (["fault", "link", 1, 1], "not 1 to itself"),
        (["fault", "link", 1, 2, "--drop", 2], "--drop: '2'"),
        (["fault", "link", 1, 2, "--delay", 5], "--delay: '5'"),
        (["up", "--rejoin", "1,9"], "there is no node 9"),
        (["cas", "k", 2**64, "v"], "revision: '18446744073709551616'"),
        (["chain", "show", "--last", 0], "--last: '0'"),
    ):
        assert name in small_lab.json(*wrong, code=USAGE)["message"], wrong
        run = small_lab.command(*wrong)
        assert run.returncode == USAGE and name in run.stderr, wrong
    assert not pids(small_lab)


def test_without_a_majority_commands_say_so_and_in_time(lab: Cluster) -> None:
    assert lab.json("put", "k", "v")["revision"] == 1
    for node in (1, 2, 3):
        lab.json("fault", "node", node)
    run = lab.json("get", "k", "--deadline", "1s", code=NO_QUORUM)
    assert run["error"] == "no quorum"
    write = lab.command("put", "k", "w", "--deadline", "1s")
    assert write.returncode in (NO_QUORUM, UNKNOWN), write
    assert re.search(r"no quorum|outcome unknown|timeout", write.stderr)
    assert lab.command("status").returncode == NO_QUORUM
    lab.json("fault", "heal")
    assert lab.json("get", "k")["value"] in ("v", "w")


def test_a_stopped_cluster_keeps_its_data_and_a_wiped_node_needs_rejoin(lab: Cluster) -> None:
    lab.json("put", "k", "v")
    assert lab.command("down").returncode == 0
    assert not list(lab.data_dir.glob("*.pid")), "all of them ended, and no pid file is left"
    assert lab.command("get", "k", "--deadline", "500ms").returncode in (NO_QUORUM, UNKNOWN, OTHER)
    lab.node(2).wipe()
    refused = lab.command("up")
    assert refused.returncode == OTHER
    assert "--rejoin 2" in refused.stderr
    assert lab.json("get", "k")["value"] == "v", "the other four serve all the same"
    run = lab.command("up", "--rejoin", 2)
    assert run.returncode == 0, run.stderr

    def serves() -> bool:
        got = lab.command("get", "k", "--node", 2)
        return (got.returncode, got.stdout) == (0, "v\n")

    wait_until("node 2 serves once it has caught up", serves)


def test_up_says_why_a_node_does_not_start(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    taken = socket.create_server(("127.0.0.1", cluster.node(2).client_port))
    try:
        run = cluster.command("up")
        assert run.returncode == OTHER, run
        assert "node 2" in run.stderr
        assert str(cluster.node(2).client_port) in run.stderr, "the end of its log is shown"
    finally:
        taken.close()
        cluster.command("down")
        kill_leftovers(cluster)


def test_an_unreachable_cluster_and_wrong_words_are_told_from_each_other(
    make_cluster: MakeCluster,
) -> None:
    cluster = make_cluster()
    run = cluster.command("put", "k", "v", "--deadline", "300ms")
    assert run.returncode in (NO_QUORUM, UNKNOWN, OTHER), run
    assert run.stderr
    status_run = cluster.command("status", "-o", "json")
    assert status_run.returncode == NO_QUORUM
    assert [each["reachable"] for each in json.loads(status_run.stdout)["nodes"]] == [False] * 3
    for wrong in (["colour"], ["get"], ["get", "k", "--consistency", "soon"], ["put", "k"]):
        assert cluster.command(*wrong).returncode == USAGE, wrong


def test_bench_reports_percentiles_as_text_and_json(cluster: Cluster) -> None:
    short = ("--duration", "500ms", "--warm-up", "100ms")
    for arguments in (("--outstanding", 8), ("--rate", 200), ("--workload", "get")):
        result = json.dumps(cluster.json("bench", *arguments, *short))
        for word in ("p50", "p99"):
            assert word in result, result
    text = cluster.command("bench", *short).stdout
    assert "P99" in text


def test_an_open_loop_refuses_what_is_more_than_it_may_have_under_way(cluster: Cluster) -> None:
    short = ("--duration", "500ms", "--warm-up", "0ms", "-o", "json")
    refused = cluster.command("bench", "--rate", "100000", "--outstanding-max", "1", *short)
    found = json.loads(refused.stdout)
    assert refused.returncode == NO_QUORUM, refused
    assert set(found["errors"]) == {"overloaded"}, found
    assert found["completed"] > 0
    assert found["failed"] == found["errors"]["overloaded"]
    assert cluster.command("bench", "--outstanding-max", "1", *short).returncode == USAGE


@pytest.fixture
def small_lab(make_cluster: MakeCluster) -> Iterator[Cluster]:
    """Three nodes for `paxledger up`; whatever happens, they end with the test."""
    cluster = make_cluster(3)
    try:
        yield cluster
    finally:
        cluster.command("down")
        kill_leftovers(cluster)


def test_a_node_is_found_without_its_pid_file_and_by_another_name_of_the_file(
    small_lab: Cluster, tmp_path: Path
) -> None:
    assert small_lab.command("up").returncode == 0
    (small_lab.data_dir / "node-1.pid").unlink()
    again = small_lab.command("up")
    assert again.returncode == 0, again.stderr
    assert "node 1 already runs" in again.stdout + again.stderr
    other = tmp_path / "other-name.yaml"
    other.symlink_to(small_lab.config)
    down = subprocess.run(
        [str(COMMAND), "down", "-f", str(other)], capture_output=True, text=True, check=False
    )
    assert down.returncode == 0, down.stderr
    for node in small_lab.nodes:
        assert f"stopped node {node.id}" in down.stdout + down.stderr, down
    assert not pids(small_lab)


def test_two_commands_do_not_start_one_cluster_at_the_same_time(small_lab: Cluster) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: small_lab.command("up"), range(2)))
    assert any(run.returncode == 0 for run in runs), [run.stderr for run in runs]
    for run in runs:
        assert run.returncode == 0 or "another paxledger command" in run.stderr, run.stderr
    assert set(pids(small_lab)) == {1, 2, 3}
