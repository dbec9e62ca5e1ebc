"""`paxledger up`: what it starts, what it refuses to start, and what it says then."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import COMMAND, Cluster, Node
from cluster_fixtures import MakeCluster
from waiting import scaled, wait_until

NO_QUORUM = 4
REFUSED = 6
OTHER = 8


def processes(cluster: Cluster) -> dict[int, int]:
    """Pids by node, of what `paxledger up` has started and still runs."""
    found = {}
    for node in cluster.nodes:
        with contextlib.suppress(OSError, ValueError):
            pid = int((cluster.data_dir / f"node-{node.id}.pid").read_text())
            if b"paxledgerd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found[node.id] = pid
    return found


@pytest.fixture
def make_lab(make_cluster: MakeCluster) -> Iterator[MakeCluster]:
    """Makes clusters for `paxledger up`; whatever happens, their nodes end with the test."""
    made: list[Cluster] = []

    def make(size: int = 3, **options: object) -> Cluster:
        made.append(make_cluster(size, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.command("down")
        for pid in processes(cluster).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def serves(cluster: Cluster, node: Node) -> None:
    def answers() -> bool:
        return cluster.command("get", "k", "--node", node.id).stdout == "v\n"

    wait_until(f"node {node.id} serves", answers)


@pytest.mark.parametrize("door", ["peer_port", "client_port", "http_port"])
def test_a_node_whose_first_start_failed_at_a_port_begins_when_it_is_free(
    make_lab: MakeCluster, door: str
) -> None:
    lab = make_lab()
    node = lab.node(2)
    with taken(getattr(node, door)):
        refused = lab.command("up")
    assert refused.returncode == OTHER
    assert "node 2 ended with exit code 69" in refused.stderr
    assert "serves with the 2 of 3 nodes that run" in refused.stderr
    assert not node.directory.exists(), "nothing is left of the start that failed"
    assert lab.command("put", "k", "v").returncode == 0
    again = lab.command("up")
    assert again.returncode == 0, again.stderr
    assert "started node 2" in again.stderr and "with an empty history" in again.stderr
    serves(lab, node)


def test_a_node_that_could_not_make_its_directory_begins_when_it_can(
    make_lab: MakeCluster,
) -> None:
    lab = make_lab()
    node = lab.node(3)
    lab.data_dir.mkdir()
    node.directory.write_text("in the way")
    refused = lab.command("up")
    assert refused.returncode == OTHER and "node 3 ended" in refused.stderr, refused.stderr
    node.directory.unlink()
    assert lab.command("put", "k", "v").returncode == 0
    assert lab.command("up").returncode == 0
    serves(lab, node)


def test_a_node_that_began_once_is_never_taken_for_a_new_one(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    assert list(lab.data_dir.glob("*.unbegun")) == []
    assert lab.command("down").returncode == 0
    lab.node(1).wipe()
    refused = lab.command("up")
    assert refused.returncode == OTHER
    assert "node 1 has no data" in refused.stderr and "--rejoin 1" in refused.stderr
    assert not lab.node(1).directory.exists()


def test_all_nodes_whose_disks_were_lost_are_named(make_lab: MakeCluster) -> None:
    lab = make_lab(5)
    assert lab.command("up").returncode == 0
    assert lab.command("put", "k", "v").returncode == 0
    assert lab.command("down").returncode == 0
    lab.node(2).wipe()
    lab.node(4).wipe()
    refused = lab.command("up")
    assert refused.returncode == OTHER
    assert "nodes 2 and 4 have no data" in refused.stderr
    assert "up --rejoin 2 --rejoin 4" in refused.stderr
    assert "serves with the 3 of 5" in refused.stderr
    assert lab.command("up", "--rejoin", 2, "--rejoin", 4).returncode == 0
    serves(lab, lab.node(2))
    serves(lab, lab.node(4))


def test_a_lost_majority_is_told_and_the_history_that_is_left_can_be_saved(
    make_lab: MakeCluster, tmp_path: Path
) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    assert lab.command("put", "k", "v").returncode == 0
    assert lab.command("down").returncode == 0
    lab.node(1).wipe()
    lab.node(2).wipe()
    for arguments in (["up"], ["up", "--rejoin", "1", "--rejoin", "2"]):
        begin = time.monotonic()
        refused = lab.command(*arguments)
        assert time.monotonic() - begin < scaled(10), "it does not wait for what cannot come"
        assert refused.returncode == OTHER
        assert "nodes 1 and 2 have no data" in refused.stderr
        assert "cannot bring this cluster back" in refused.stderr
        assert set(processes(lab)) == {3}, "no rejoin is begun that cannot end"
    # What the message advises.
    history = tmp_path / "history.jsonl"
    assert lab.command("chain", "export", history, "--node", 3).returncode == 0
    assert lab.command("chain", "verify", "--history", history).returncode == 0
    items = lab.json("kv", "--node", 3)["nodes"][0]["items"]
    assert [(item["key"], item["value"]) for item in items] == [("k", "v")]


def test_only_the_lines_of_the_failed_run_are_shown(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    assert lab.command("down").returncode == 0
    with taken(lab.node(2).client_port):
        refused = lab.command("up")
    assert refused.returncode == OTHER
    assert str(lab.node(2).client_port) in refused.stderr
    assert "was told to stop" in lab.node(2).log_text()
    assert "was told to stop" not in refused.stderr, "that was the run before"


def test_too_few_nodes_are_reported_at_once_and_all_by_name(make_lab: MakeCluster) -> None:
    lab = make_lab()
    begin = time.monotonic()
    with taken(lab.node(1).http_port), taken(lab.node(3).peer_port):
        refused = lab.command("up")
    assert time.monotonic() - begin < scaled(10)
    assert refused.returncode == OTHER
    assert "node 1 ended" in refused.stderr and "node 3 ended" in refused.stderr
    assert "1 of 3 nodes run, and a majority is 2" in refused.stderr


def test_nodes_of_another_cluster_are_told_at_once_with_both_names(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    text = lab.config.read_text(encoding="utf-8")
    lab.config.write_text(text.replace("cluster: e2e\n", "cluster: bank\n"), encoding="utf-8")
    try:
        for arguments in (["up"], ["put", "k", "v"], ["get", "k"], ["scan"]):
            begin = time.monotonic()
            run = lab.command(*arguments)
            assert time.monotonic() - begin < scaled(4), f"{arguments} fails at once"
            assert run.returncode == REFUSED, run
            assert '"bank"' in run.stderr and '"e2e"' in run.stderr, run.stderr
            assert lab.node(1).endpoint in run.stderr, run.stderr
    finally:
        lab.config.write_text(text, encoding="utf-8")


def test_nodes_of_another_cluster_are_not_stopped(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    before = processes(lab)
    own = lab.config
    lab.config = lab.root / "other.yaml"
    text = own.read_text(encoding="utf-8")
    lab.config.write_text(text.replace("cluster: e2e\n", "cluster: bank\n"), encoding="utf-8")
    try:
        for arguments in ("fault node 1", "fault node 1 --pause", "fault heal", "down"):
            run = lab.command(*arguments.split())
            assert run.returncode == REFUSED, run
            assert '"bank"' in run.stderr and '"e2e"' in run.stderr, run.stderr
            assert not (lab.data_dir / "faults.json").exists()
    finally:
        lab.config = own
    assert processes(lab) == before
    serves_all = [lab.command("put", "k", "v"), lab.command("fault", "heal")]
    assert [run.returncode for run in serves_all] == [0, 0]


@pytest.mark.parametrize("how", ["link", "move"])
def test_a_cluster_is_stopped_by_its_configuration_wherever_that_stands(
    make_lab: MakeCluster, how: str
) -> None:
    lab = make_lab()
    text = lab.config.read_text(encoding="utf-8")
    lab.config.write_text(text.replace("data_dir: data\n", f"data_dir: {lab.data_dir}\n"))
    assert lab.command("up").returncode == 0
    elsewhere = lab.root / "elsewhere"
    elsewhere.mkdir()
    if how == "link":
        (elsewhere / "linked.yaml").symlink_to(lab.config)
        lab.config = elsewhere / "linked.yaml"
    else:
        lab.config = lab.config.rename(elsewhere / "moved.yaml")
    down = lab.command("down")
    assert down.returncode == 0 and down.stdout.startswith("3 stopped"), down
    assert not processes(lab)


def test_up_tells_of_a_running_node_that_is_not_ready(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    for other in (1, 2):
        assert lab.command("fault", "link", 3, other).returncode == 0
    lab.node(3).wait_status("hears no majority", lambda status: not status["hears_quorum"])
    again = lab.command("up")
    assert "node 3 is not ready yet" in again.stderr, again


def test_a_paused_node_delays_no_question_to_the_others(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    assert lab.command("fault", "node", 1, "--pause").returncode == 0
    wait_until("the others serve", lambda: lab.command("get", "k", "--node", 2).returncode == 1)
    again = lab.command("up")
    assert again.returncode == 0, again
    assert "waiting for the cluster to serve" not in again.stderr


def test_a_write_without_a_majority_says_who_answered_what(make_lab: MakeCluster) -> None:
    lab = make_lab()
    assert lab.command("up").returncode == 0
    for node in (1, 2):
        assert lab.command("fault", "node", node).returncode == 0
    lab.node(3).wait_status("hears no majority", lambda status: not status["hears_quorum"])
    first, second, third = lab.endpoints
    put = lab.command("put", "k", "v", "--deadline", "1s")
    assert put.returncode == NO_QUORUM, put
    assert f"{third}: no quorum" in put.stderr
    assert f"{first}, {second}: cannot be reached" in put.stderr
    assert put.stderr.endswith("nothing was written\n"), put.stderr
    get = lab.command("get", "k", "--deadline", "1s")
    assert get.returncode == NO_QUORUM, get
    assert f"{third}: no quorum" in get.stderr
    assert get.stderr.endswith("nothing was read\n"), get.stderr


def test_two_clusters_run_side_by_side(make_lab: MakeCluster) -> None:
    one, two = make_lab(name="one"), make_lab(name="two")
    for lab in (one, two):
        assert lab.command("up").returncode == 0
        assert lab.command("put", "k", lab.name).returncode == 0
    assert one.command("down").returncode == 0
    assert not processes(one) and set(processes(two)) == {1, 2, 3}
    assert two.command("get", "k").stdout == "two\n"


def test_a_data_dir_counts_from_the_file_wherever_the_command_runs(
    make_lab: MakeCluster, tmp_path: Path
) -> None:
    lab = make_lab()
    for folder, name in ((lab.root, "cluster.yaml"), (lab.root.parent, lab.root.name)):
        path = Path(name) if folder == lab.root else Path(name) / "cluster.yaml"
        run = subprocess.run(
            [str(COMMAND), "up", "-f", str(path)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=scaled(60),
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert str(lab.data_dir) in run.stdout
    assert run.stderr.count("already runs") == 3
    assert not list(tmp_path.glob("data"))
