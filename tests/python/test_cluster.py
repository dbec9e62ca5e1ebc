"""Starting, stopping and asking a local cluster, and what happens when that goes wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paxledger import errors
from paxledger._control import _failure
from paxledger.chain import Chain
from paxledger.cluster import Cluster
from paxledger.guardian import Guardian
from paxledger.ports import _first_ports
from waiting import scaled, wait_until


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with Cluster.local(3) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """Three nodes that serve, for tests that leave them serving."""
    yield shared
    shared.heal()
    shared.start()


@pytest.fixture
def interrupt() -> Iterator[Callable[[Callable[[], object]], Callable[[], float]]]:
    """Sends Ctrl-C once a condition holds; what it gives says how long ago that was."""
    threads = []

    def when(condition: Callable[[], object]) -> Callable[[], float]:
        sent: list[float] = []

        def send() -> None:
            wait_until("the moment for Ctrl-C", condition)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        threads.append(threading.Thread(target=send))
        threads[-1].start()
        return lambda: time.monotonic() - sent[0]

    yield when
    for thread in threads:
        thread.join()


def in_call(name: str) -> bool:
    """Whether the main thread is within a function of this name."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code.co_name == name:
            return True
        frame = frame.f_back
    return False


def nobody_leads(cluster: Cluster) -> bool:
    # A node that does not answer in time says nothing of its role, so `leader() is None` is weaker.
    return all(status["role"] in ("follower", "candidate") for status in cluster.status())


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


# ---- starting and stopping


def test_five_nodes_serve_within_two_seconds_and_are_gone_within_half_a_second() -> None:
    cluster = Cluster.local(5)
    begin = time.monotonic()
    with cluster:
        db = cluster.client()
        db.put("k", "v")
        assert time.monotonic() - begin < scaled(2)
        pids = [node.pid for node in cluster.nodes]
        for node in cluster.nodes:
            begin = time.monotonic()
            node.kill()
            assert time.monotonic() - begin < scaled(0.5)
            assert node.state == "stopped"
    assert not any(alive(pid) for pid in pids if pid is not None)


def test_leaving_a_local_cluster_removes_its_processes_and_its_directory() -> None:
    with Cluster.local(3) as cluster:
        folder = Path(cluster.file).parent
        pids = [node.pid or 0 for node in cluster.nodes]
        assert folder.is_dir() and all(map(alive, pids))
    assert not folder.exists()
    assert not any(map(alive, pids))
    cluster.close()


def test_a_directory_that_was_named_stays_and_can_be_opened_again(tmp_path: Path) -> None:
    with Cluster.local(1, directory=tmp_path / "mine") as cluster:
        cluster.client()["k"] = "v"
    file = tmp_path / "mine/cluster.yaml"
    with Cluster.from_yaml(file) as again:
        assert again.client()["k"] == b"v"
    with pytest.raises(errors.BadRequest, match=r"already.*from_yaml"):
        Cluster.local(1, directory=tmp_path / "mine")


def test_nodes_that_ran_before_are_left_alone(cluster: Cluster) -> None:
    cluster.node(3).stop()
    before = [cluster.node(1).pid, cluster.node(2).pid]
    with Cluster.from_yaml(cluster.file) as guest:
        guest.client()["k"] = "v"
        assert guest.node(3).state == "running"
        guest.node(2).pause()
        guest.node(2).resume()
    assert [cluster.node(1).pid, cluster.node(2).pid] == before
    assert cluster.node(3).state == "stopped"


def test_each_node_can_be_stopped_killed_paused_restarted_and_wiped(cluster: Cluster) -> None:
    db = cluster.client()
    db["k"] = "v"
    node = cluster.node(3)
    first = node.pid
    node.restart()
    assert node.state == "running" and node.pid != first
    node.pause()
    assert node.state == "paused" and node.status()["role"] is None
    node.resume()
    wait_until("it answers again", lambda: node.status()["role"] == "follower")
    node.kill()
    assert (node.state, node.pid) == ("stopped", None)
    cluster.fix_node(3)
    assert node.state == "running"
    with pytest.raises(errors.BadRequest, match="node 3 runs"):
        node.wipe()
    node.stop()
    node.wipe()
    assert not node.directory.exists()
    with pytest.raises(errors.SystemFailure, match="rejoin"):
        node.start()
    node.start(rejoin=True)
    assert cluster.in_sync(timeout=scaled(10))
    assert cluster.kv(3)["k"] == b"v"
    assert "node 3" in node.logs(5) and len(node.logs(5).splitlines()) == 5


def test_a_node_that_crashes_takes_nothing_along(cluster: Cluster) -> None:
    db = cluster.client()
    os.kill(cluster.node(2).pid or 0, signal.SIGSEGV)
    wait_until("it is gone", lambda: cluster.node(2).state == "stopped")
    db["k"] = "v"
    cluster.node(2).start()
    assert cluster.in_sync(timeout=scaled(10))


# ---- what the nodes say


def test_a_new_leader_is_found_after_the_old_one_was_killed(cluster: Cluster) -> None:
    old = cluster.wait_for_leader()
    assert cluster.leader() == old
    with cluster.node(old).kill():
        new = cluster.wait_for_leader(scaled(10), other_than=old)
        assert new != old
        assert cluster.leader() == new
    assert cluster.in_sync(timeout=scaled(10))


def test_without_a_majority_there_is_no_leader_and_the_error_says_who_is_there(
    cluster: Cluster,
) -> None:
    cluster.node(1).kill()
    cluster.node(2).kill()
    with pytest.raises(errors.NoQuorum, match=r"node 1 stopped; node 2 stopped; node 3 running"):
        cluster.wait_for_leader(0.3)


def test_a_client_of_the_cluster_knows_nodes_by_their_ids(cluster: Cluster) -> None:
    db = cluster.client(codec="json")
    db["phone"] = {"number": 1}
    assert cluster.in_sync(timeout=scaled(10))
    for node in cluster.ids:
        assert db.get("phone", consistency="local", node=node) == {"number": 1}
        assert cluster.kv(node, "ph", codec="json")["phone"] == {"number": 1}
        assert cluster.queue(node) == []
    db.put("mixed", "text", codec="str")
    with pytest.raises(errors.CodecError, match="mixed"):
        cluster.kv(cluster.wait_for_leader(), "mixed", codec="json")
    assert db.admin("status", node=3)["node"] == 3


def test_what_a_stopped_node_is_asked_says_how_to_bring_it_back(cluster: Cluster) -> None:
    cluster.node(2).kill()
    for question in (cluster.kv, cluster.queue, cluster.chain):
        with pytest.raises(errors.BadRequest, match=r"node 2 is stopped.*cluster.node\(2\).start"):
            question(2)


def test_a_question_that_is_not_answered_has_changed_nothing() -> None:
    failure = _failure(2, errors.ErrorCode.timeout.value, "")
    assert isinstance(failure, errors.Timeout)
    assert not failure.outcome_unknown
    assert str(failure) == "node 2: timeout"


def test_the_cluster_can_be_watched_while_another_thread_starts_it(cluster: Cluster) -> None:
    cluster.partition([1], [2], [3])
    cluster.node(3).kill()
    failures: list[BaseException] = []

    def start() -> None:
        try:
            cluster.start(patience=scaled(1.0))
        except errors.NoQuorum as failure:
            failures.append(failure)

    thread = threading.Thread(target=start)
    thread.start()
    wait_until("node 3 is seen to run", lambda: cluster.node(3).state == "running")
    assert thread.is_alive(), "looking waited for the start to end"
    thread.join()
    assert failures


# ---- Ctrl-C


def test_ctrl_c_ends_a_start_within_a_fifth_of_a_second(
    cluster: Cluster, interrupt: Callable[[Callable[[], object]], Callable[[], float]]
) -> None:
    cluster.partition([1], [2], [3])
    cluster.node(3).kill()
    since = interrupt(lambda: cluster.node(3).state == "running")
    with pytest.raises(KeyboardInterrupt):
        cluster.start(patience=scaled(20))
    assert since() < scaled(0.2)


def test_ctrl_c_ends_waiting_for_a_leader_within_a_fifth_of_a_second(
    cluster: Cluster, interrupt: Callable[[Callable[[], object]], Callable[[], float]]
) -> None:
    cluster.partition([1], [2], [3])
    wait_until("every node answers that it does not lead", lambda: nobody_leads(cluster))
    since = interrupt(lambda: in_call("wait_for_leader"))
    with pytest.raises(KeyboardInterrupt):
        cluster.wait_for_leader(scaled(20))
    assert since() < scaled(0.2)


def test_ctrl_c_reaches_a_thread_that_waits_for_its_turn(
    cluster: Cluster, interrupt: Callable[[Callable[[], object]], Callable[[], float]]
) -> None:
    cluster.partition([1], [2], [3])
    cluster.node(3).kill()

    def start() -> None:
        with contextlib.suppress(errors.NoQuorum):
            cluster.start(patience=scaled(2))

    thread = threading.Thread(target=start)
    thread.start()
    wait_until("the other thread starts nodes", lambda: cluster.node(3).state == "running")
    since = interrupt(lambda: in_call("stop"))
    with pytest.raises(KeyboardInterrupt):
        cluster.node(1).stop()
    assert since() < scaled(0.2)
    thread.join()


# ---- bad input


@pytest.mark.parametrize("node", [0, 4, -1])
def test_an_unknown_node_is_named_with_those_that_there_are(cluster: Cluster, node: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda: cluster.node(node),
        lambda: cluster.fail_link(1, node),
        lambda: cluster.partition([1, node], [2]),
        lambda: cluster.isolate(node),
        lambda: cluster.chain(node),
        lambda: cluster.start(rejoin=[node]),
        lambda: cluster.wait_for_leader(other_than=node),
    ]
    for call in calls:
        with pytest.raises(errors.BadRequest, match=rf"no node {node} in .*, only 1, 2, 3"):
            call()


def test_a_wrong_type_says_what_is_wanted(cluster: Cluster) -> None:
    calls: list[Callable[[], object]] = [
        lambda: cluster.node("1"),  # type: ignore[arg-type]
        lambda: cluster.node(True),
        lambda: cluster.partition(1, 2),  # type: ignore[arg-type]
        lambda: cluster.partition("12", "3"),  # type: ignore[arg-type]
        lambda: cluster.drop(1, 2, "half"),  # type: ignore[arg-type]
        lambda: cluster.delay(1, 2, None),  # type: ignore[arg-type]
        lambda: cluster.wait_for_leader("1"),  # type: ignore[arg-type]
        lambda: cluster.chain(1, first="1"),  # type: ignore[arg-type]
        lambda: Cluster.local("3"),  # type: ignore[arg-type]
        lambda: Cluster.local(work_bits=0.5),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"is a|are a|is how|is meant"):
            call()


def test_a_value_out_of_its_bounds_is_refused(cluster: Cluster) -> None:
    calls: list[Callable[[], object]] = [
        lambda: cluster.drop(1, 2, 1.5),
        lambda: cluster.delay(1, 2, -1),
        lambda: cluster.delay(1, 2, float("nan")),
        lambda: cluster.fail_link(1, 1),
        lambda: cluster.partition([1, 2, 3]),
        lambda: cluster.isolate(1, one_way="sideways"),
        lambda: cluster.chain(1, first=0),
        lambda: Cluster.local(0),
        lambda: Cluster.local(10),
    ]
    for call in calls:
        with pytest.raises(errors.BadRequest):
            call()
    with pytest.raises(errors.ConfigurationError, match="election_timeout"):
        Cluster.local(heartbeat=0.1, election_timeout=0.1)


def test_a_yaml_error_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("cluster: x\nnodes:\n  - {id: 1, peer: nowhere}\n")
    with pytest.raises(errors.ConfigurationError, match=r"cluster\.yaml:3:"):
        Cluster.from_yaml(file)
    with pytest.raises(errors.Error, match="missing"):
        Cluster.from_yaml(tmp_path / "missing.yaml")


def test_what_a_local_cluster_needs_and_the_system_refuses_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with monkeypatch.context() as refused:
        refused.setattr(Guardian, "_current", None)
        refused.setattr("sys.executable", "/nothing/python")
        with pytest.raises(errors.SystemFailure, match="cannot start the process that ends"):
            Cluster.local(1)
    folder = tmp_path / f"paxledger-ports.{os.getuid()}"
    assert list(tmp_path.iterdir()) == [folder], "what was made is removed"
    for lock in folder.iterdir():
        lock.unlink()
    folder.rmdir()
    folder.write_text("somebody else's")
    with pytest.raises(errors.SystemFailure, match=rf"cannot reserve ports in {folder}"):
        Cluster.local(1)
    folder.unlink()
    for first in _first_ports():
        (folder / str(first)).mkdir(parents=True)
    with pytest.raises(errors.SystemFailure, match=r"cannot reserve ports .*Is a directory"):
        Cluster.local(1)


def test_a_port_in_use_is_said_with_the_last_lines_of_the_log() -> None:
    cluster = Cluster.local(1)
    port = int(cluster.node(1).endpoint.rsplit(":", 1)[1])
    with socket.socket() as taken:
        # Connections of an earlier test may linger at this port.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(errors.SystemFailure) as failure, cluster:
            pass
    assert "node 1 ended with exit code 69" in str(failure.value)
    assert f"127.0.0.1:{port}" in str(failure.value)
    assert cluster.closed


def test_a_node_that_dies_at_start_is_said_with_the_last_lines_of_its_log(
    cluster: Cluster,
) -> None:
    node = cluster.node(2)
    node.stop()
    identity = node.directory / "identity"
    octets = identity.read_bytes()
    identity.write_bytes(b"nonsense\n")
    try:
        with pytest.raises(errors.SystemFailure, match=r"(?s)node 2 ended with.*identity"):
            node.start()
    finally:
        identity.write_bytes(octets)


def test_after_close_every_use_says_so() -> None:
    cluster = Cluster.local(1).start()
    db = cluster.client()
    cluster.close()
    calls: list[Callable[[], object]] = [
        cluster.start,
        cluster.stop,
        cluster.status,
        cluster.client,
        cluster.heal,
        cluster.faults,
        lambda: cluster.kv(1),
        lambda: cluster.fail_node(1),
        lambda: cluster.node(1).state,
    ]
    for call in calls:
        with pytest.raises(errors.ClosedError, match="from_yaml"):
            call()
    assert db.closed and "closed" in repr(cluster) and "closed" in repr(cluster.node(1))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_in_a_fork_every_use_says_so_and_its_end_ends_nothing(cluster: Cluster) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            cluster.status()
        except BaseException as failure:
            said = f"{type(failure).__name__}: {failure}"
        os.write(write, said.encode())
        cluster.close()
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as end:
        said = end.read().decode()
    os.waitpid(child, 0)
    assert said.startswith("ForkedError: this cluster was opened in process")
    assert [node.state for node in cluster.nodes] == ["running"] * 3


def test_chains_are_compared_though_a_node_ends_meanwhile() -> None:
    with Cluster.local(3) as cluster:
        cluster.client().put("k", "v")
        assert cluster.in_sync(timeout=10)
        read = cluster.chain

        def read_after_a_crash(node: int) -> Chain:
            if cluster.node(2).state == "running":
                cluster.node(2).kill()
            return read(node)

        with pytest.MonkeyPatch.context() as crashing:
            crashing.setattr(cluster, "chain", read_after_a_crash)
            assert set(cluster.compare().heights) == {1, 3}


def test_a_node_that_was_restarted_answers_at_once() -> None:
    with Cluster.local(3) as cluster:
        cluster.client().put("k", "v")
        for _ in range(5):
            cluster.node(2).restart()
            assert set(cluster.kv(2)) <= {"k"}, "its connection knew the node that ended"
            assert cluster.chain(2) is not None
