"""How clusters and their nodes end: closed, interrupted, dropped, at the interpreter's end; and
whose nodes they are that run on."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client_fixtures import finish_script, start_script

from paxledger import errors
from paxledger.cluster import Cluster
from paxledger.guardian import Guardian
from paxledger.programs import find_program
from waiting import TIME_SCALE, scaled, wait_until


def alive(pid: int | None) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def states(cluster: Cluster) -> list[str]:
    return [node.state for node in cluster.nodes]


def within(call: Callable[[], object]) -> bool:
    """Whether the main thread is within this method."""
    code = call.__func__.__code__  # type: ignore[attr-defined]
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def ctrl_c_once(condition: Callable[[], object]) -> Iterator[None]:
    """Its body must be ended by Ctrl-C, sent once the condition holds, within 0.2 seconds."""
    sent = []

    def send() -> None:
        wait_until("the moment for Ctrl-C", condition)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        assert time.monotonic() - sent[0] < 0.2 * TIME_SCALE
    finally:
        thread.join()


# ---- interrupted


def test_a_start_after_an_interrupted_stop_waits_for_what_still_ends() -> None:
    with Cluster.local(3) as cluster:
        for _ in range(8):
            before = [node.pid for node in cluster.nodes]
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.005)
                previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
                with contextlib.suppress(KeyboardInterrupt):
                    cluster.stop()
                    time.sleep(1)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, previous)
            cluster.start()
            assert states(cluster) == ["running"] * 3
            assert not set(before) & {node.pid for node in cluster.nodes}


STUBBORN = """#!/bin/bash
exec -a paxledgerd bash -c 'trap "" TERM; exec 9<> <(:); while :; do read -t 60 -u 9; done' x "$@"
"""


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose node never answers, and does not end when it is asked to."""
    daemon = tmp_path / "bin/paxledgerd"
    daemon.parent.mkdir()
    daemon.write_text(STUBBORN)
    daemon.chmod(0o755)
    monkeypatch.setenv("PAXLEDGER_BIN_DIR", str(daemon.parent))
    cluster = Cluster.local(1)
    yield cluster
    cluster.close()


def test_ctrl_c_ends_every_wait_for_a_stubborn_node_and_close_still_ends_it(
    stubborn: Cluster,
) -> None:
    node = stubborn.node(1)
    with ctrl_c_once(lambda: node.state == "running"):
        stubborn.start()
    pid = node.pid
    for wait in (stubborn.stop, node.stop, node.restart, stubborn.start, node.start, stubborn.heal):
        with ctrl_c_once(lambda wait=wait: within(wait)):
            wait()
        assert node.pid == pid
    folder = Path(stubborn.file).parent
    with ctrl_c_once(lambda: within(stubborn._control.ending.end)):
        stubborn.close()
    assert not alive(pid) and not folder.exists() and stubborn.closed
    stubborn.close()


def test_two_threads_may_stop_and_close_at_the_same_time() -> None:
    with Cluster.local(3) as cluster:
        folder = Path(cluster.file).parent
        pids = [node.pid for node in cluster.nodes]
        ran: list[int] = []
        stops = [threading.Thread(target=lambda: ran.append(cluster.stop())) for _ in range(3)]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join()
        assert sorted(ran) == [0, 0, 3]
        assert not any(map(alive, pids))
        cluster.start()
        pids = [node.pid for node in cluster.nodes]
        gone: list[bool] = []

        def close() -> None:
            cluster.close()
            gone.append(not any(map(alive, pids)) and not folder.exists())

        closes = [threading.Thread(target=close) for _ in range(3)]
        for thread in closes:
            thread.start()
        for thread in closes:
            thread.join()
        assert gone == [True] * 3, "a close came back before all had ended"


def test_close_ends_a_start_of_another_thread_and_its_nodes() -> None:
    cluster = Cluster.local(3).start()
    cluster.partition([1], [2], [3])
    cluster.node(3).kill()
    raised: list[BaseException] = []

    def start() -> None:
        try:
            cluster.start(patience=scaled(20))
        except errors.Error as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    wait_until("the other thread starts a node", lambda: cluster.node(3).state == "running")
    pids = [node.pid for node in cluster.nodes]
    begin = time.monotonic()
    cluster.close()
    assert time.monotonic() - begin < scaled(5)
    thread.join()
    assert [type(each) for each in raised] == [errors.ClosedError]
    assert not any(map(alive, pids))


def test_the_handler_of_a_signal_cannot_use_the_cluster_within_a_call_and_says_so() -> None:
    with Cluster.local(1) as cluster:
        previous = signal.signal(signal.SIGALRM, lambda *_: cluster.close())
        try:
            cluster.node(1).pause()
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(errors.Error, match=r"another call of this thread.*signal"):
                cluster.start(patience=scaled(20))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)


# ---- dropped


def test_a_cluster_that_is_dropped_is_ended_and_said_to_have_been() -> None:
    cluster = Cluster.local(2, name="forgotten").start()
    pids = [node.pid for node in cluster.nodes]
    folder = Path(cluster.file).parent
    begin = time.monotonic()
    with pytest.warns(ResourceWarning, match=r"'forgotten'.*nodes 1, 2.*close\(\).*with"):
        del cluster
    assert time.monotonic() - begin < scaled(1)
    assert not any(map(alive, pids))
    assert not folder.exists()
    guardian = Guardian.current()
    assert str(folder) not in guardian._directories


def test_a_finalizer_waits_for_no_lock_that_its_thread_may_hold() -> None:
    cluster = Cluster.local(1).start()
    guardian = Guardian.current()
    with Guardian._current_lock, guardian._lock, pytest.warns(ResourceWarning):
        del cluster


@pytest.mark.parametrize("kept", ["node", "client", "view", "aclient", "fault"])
def test_a_cluster_runs_as_long_as_anything_of_it_is_there(kept: str) -> None:
    cluster = Cluster.local(1).start()
    pid = cluster.node(1).pid
    keeper: object
    if kept == "node":
        keeper = cluster.node(1)
    elif kept == "client":
        keeper = cluster.client()
    elif kept == "view":
        keeper = cluster.client().using("json")
    elif kept == "aclient":
        keeper = cluster.aclient()
    else:
        keeper = cluster.node(1).pause()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del cluster
        gc.collect()
    assert alive(pid)
    with pytest.warns(ResourceWarning):
        del keeper
        gc.collect()
    assert not alive(pid)


@pytest.mark.parametrize("use", ["never started", "stopped", "closed"])
def test_a_cluster_that_does_not_run_is_dropped_without_a_word(use: str) -> None:
    cluster = Cluster.local(1)
    folder = Path(cluster.file).parent
    if use != "never started":
        cluster.start()
        cluster.stop()
    if use == "closed":
        cluster.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del cluster
    assert not folder.exists()


# ---- the interpreter's end

EXIT = """
import sys, threading, time
from paxledger import Cluster
threading.excepthook = lambda _: None
cluster = Cluster.local(3).start()
begun = threading.Barrier(4)

def restart(node):
    begun.wait()
    while True:
        node.restart()

# While one restarts its node, the others wait for their turn.
for node in cluster.nodes:
    threading.Thread(target=restart, args=(node,), daemon=True).start()
begun.wait()
time.sleep(float(sys.argv[1]))
print(cluster.file, flush=True)
"""


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03, 0.05, 0.07, 0.1])
def test_the_end_during_a_restart_leaves_no_directory(tmp_path: Path, pause: float) -> None:
    process = start_script(tmp_path, EXIT, str(pause))
    folder = Path(finish_script(process).strip()).parent
    assert not folder.exists()


def test_the_end_of_the_interpreter_ends_what_was_not_closed_without_a_word(
    tmp_path: Path,
) -> None:
    source = """
from paxledger import Cluster
cluster = Cluster.local(1).start()
print(cluster.file)
"""
    process = start_script(tmp_path, source, flags=("-W", "error", "-X", "dev"))
    assert not Path(finish_script(process).strip()).parent.exists()


# ---- whose nodes they are


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that `paxledger up` has started, seen without touching it."""
    with Cluster.local(3, directory=tmp_path / "foreign") as made:
        file = made.file
    program = find_program("paxledger")

    def command(*words: str) -> None:
        subprocess.run([program, words[0], "-f", file, *words[1:]], check=True, timeout=60)

    command("up")
    yield Cluster.from_yaml(file)
    command("down")


def broken_and_mended(guest: Cluster) -> None:
    with guest.fail_node(1):
        pass
    guest.node(2).restart()
    guest.node(3).kill()
    guest.heal()


def stopped_and_started(guest: Cluster) -> None:
    guest.stop()
    guest.start()


@pytest.mark.parametrize("use", [broken_and_mended, stopped_and_started])
def test_nodes_that_ran_before_run_on_though_they_were_started_again_here(
    foreign: Cluster, use: Callable[[Cluster], None]
) -> None:
    before = [node.pid for node in foreign.nodes]
    with Cluster.from_yaml(foreign.file) as guest:
        use(guest)
        after = [node.pid for node in guest.nodes]
        assert not set(before) & set(after)
    assert [node.pid for node in foreign.nodes] == after
    foreign.client().put("k", "v")


def test_a_node_that_did_not_run_before_ends_and_one_that_was_seen_to_run_later_does_not(
    foreign: Cluster,
) -> None:
    foreign.node(3).stop()
    foreign.node(2).stop()
    guest = Cluster.from_yaml(foreign.file)
    foreign.node(2).start()
    with guest:
        guest.node(2).restart()
        guest.node(3).restart()
        assert states(guest) == ["running"] * 3
    assert states(foreign) == ["running", "running", "stopped"]


def test_nodes_that_ran_before_run_on_when_the_interpreter_is_killed_or_drops_them(
    foreign: Cluster, tmp_path: Path
) -> None:
    foreign.node(3).stop()
    source = """
import sys
import paxledger
from paxledger.guardian import Guardian
guest = paxledger.Cluster.from_yaml(sys.argv[1]).start()
guest.node(1).restart()
guest.node(2).kill()
guest.heal()
print(Guardian.current().pid, *[node.pid for node in guest.nodes], flush=True)
sys.stdin.read()
"""
    process = start_script(tmp_path, source, foreign.file)
    assert process.stdout is not None
    guardian, *pids = map(int, process.stdout.readline().split())
    process.kill()
    process.communicate()
    wait_until("its guardian has ended", lambda: not alive(guardian))
    assert [alive(pid) for pid in pids] == [True, True, False]
    guest = Cluster.from_yaml(foreign.file)
    guest.node(1).restart()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del guest
    assert states(foreign) == ["running", "running", "stopped"]


def test_a_temporary_cluster_ends_with_its_directory_whoever_started_its_nodes() -> None:
    with Cluster.local(3) as owner:
        with Cluster.from_yaml(owner.file) as guest:
            guest.node(2).restart()
            guest.node(3).kill()
            guest.heal()
        pids = [node.pid for node in owner.nodes]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


# ---- healing


def test_heal_does_not_stumble_over_a_node_that_crashed_by_itself() -> None:
    with Cluster.local(3) as cluster:
        os.kill(cluster.node(3).pid or 0, signal.SIGSEGV)
        wait_until("it is gone", lambda: cluster.node(3).state == "stopped")
        cluster.heal()
        cluster.node(2).pause()
        cluster.node(3).start()
        os.kill(cluster.node(3).pid or 0, signal.SIGSEGV)
        wait_until("it is gone", lambda: cluster.node(3).state == "stopped")
        cluster.fail_link(2, 1)
        cluster.node(2).resume()
        assert states(cluster) == ["running", "running", "stopped"]


@pytest.mark.parametrize("again", ["node", "cluster"])
def test_a_node_that_is_started_again_says_nothing_to_those_it_is_cut_off_from(again: str) -> None:
    with Cluster.local(3) as cluster:
        leader = cluster.wait_for_leader()
        mute = next(node for node in cluster.ids if node != leader)
        cluster.isolate(mute, one_way="out")
        cluster.node(mute).kill()
        killed = time.monotonic()
        if again == "node":
            cluster.node(mute).start()
        else:
            cluster.start(patience=scaled(1))
        begin = time.monotonic()
        heard = next(
            each for each in cluster.node(leader).status()["peers"] if each["node"] == mute
        )
        assert heard["silent_ms"] >= (begin - killed) * 1000
        cluster.heal()
        wait_until(
            "it is heard again",
            lambda: next(
                each["heard"]
                for each in cluster.node(leader).status()["peers"]
                if each["node"] == mute
            ),
        )


def test_the_daemon_refuses_a_fault_that_it_does_not_understand(tmp_path: Path) -> None:
    file = Cluster.local(2, directory=tmp_path / "with").file
    without = Cluster.local(2, directory=tmp_path / "without", fault_injection=False).file
    for config, fault, complaint in (
        (file, '{"peer": 9}', "another node's id"),
        (file, "nonsense", "JSON"),
        (file, '{"heal": true}', "names a peer"),
        (without, '{"peer": 2, "drop": 0.5}', "fault_injection: true"),
    ):
        words = [find_program("paxledgerd"), "--config", config, "--node", "1", "--initialise"]
        run = subprocess.run([*words, "--fault", fault], capture_output=True, text=True, timeout=30)
        assert run.returncode == 64 and complaint in run.stderr, run.stderr
