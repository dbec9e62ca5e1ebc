"""No process is left behind, however the interpreter ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paxledger.cluster import Cluster
from paxledger.guardian import Guardian, _birth, _Watch
from waiting import scaled, wait_until

BEGIN = """
import os, signal, sys, time
from paxledger.cluster import Cluster
from paxledger.guardian import Guardian
def say(*words): print(*words, flush=True)
def wait(): sys.stdin.read()
"""


class Interpreter:
    """Another Python, which says what it has started."""

    def __init__(self, source: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", BEGIN + source, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Lets it go on to its end."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(scaled(30))
        self.process.stdout.close()
        return code


@pytest.fixture
def interpreters() -> Iterator[list[Interpreter]]:
    all_of_them: list[Interpreter] = []
    yield all_of_them
    for each in all_of_them:
        if each.process.poll() is None:
            each.kill()


def processes_of(text: str) -> list[int]:
    """The processes whose command line names this text."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and text in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except (OSError, UnicodeDecodeError):
            continue
    return found


def nodes_of(file: str) -> list[int]:
    return [
        pid
        for pid in processes_of(file)
        if Path(f"/proc/{pid}/exe").resolve().name.startswith("paxledgerd")
    ]


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def assert_nothing_left(file: str, guardian: int) -> None:
    wait_until("no node is left", lambda: not nodes_of(file), 5)
    wait_until("the guardian has ended", lambda: not alive(guardian), 10)
    assert not nodes_of(file)
    wait_until("the directory is removed", lambda: not Path(file).parent.exists(), 5)


START = """
cluster = Cluster.local(3).start()
say(cluster.file, Guardian.current().pid)
"""


def test_nodes_end_when_the_interpreter_is_killed(interpreters: list[Interpreter]) -> None:
    interpreters.append(Interpreter(START + "cluster.node(2).pause(); say('paused'); wait()"))
    file, guardian = interpreters[0].line()
    assert interpreters[0].line() == ["paused"]
    assert len(nodes_of(file)) == 3
    interpreters[0].kill()
    assert_nothing_left(file, int(guardian))


@pytest.mark.parametrize("nodes", [0, 1, 2, 3])
def test_nodes_end_when_the_interpreter_is_killed_while_it_starts_them(
    interpreters: list[Interpreter], nodes: int
) -> None:
    interpreters.append(
        Interpreter(
            "cluster = Cluster.local(5)\nsay(cluster.file, Guardian.current().pid)\n"
            "cluster.start(); wait()"
        )
    )
    file, guardian = interpreters[0].line()
    # Looked at without a pause, for the moment lasts some milliseconds.
    wait_until("nodes are being started", lambda: len(nodes_of(file)) >= nodes, interval=0)
    interpreters[0].kill()
    assert_nothing_left(file, int(guardian))


UNSAID = """
import subprocess
from paxledger.programs import find_program
guardian = Guardian.current()
cluster = Cluster.local(2, directory=sys.argv[1] or None)
def begin(node):
    words = [find_program("paxledgerd"), "--config", cluster.file, "--node", str(node)]
    return subprocess.Popen([*words, "--initialise"], stdin=-3, stdout=-3, stderr=-3).pid
"""


def test_a_node_whose_birth_was_only_announced_is_found(
    interpreters: list[Interpreter], tmp_path: Path
) -> None:
    # As if the interpreter had died between making the process and telling of it.
    interpreters.append(
        Interpreter(
            UNSAID + "guardian.starting(cluster.file, [2])\n"
            "say(guardian.pid, begin(1), begin(2)); wait()",
            str(tmp_path / "kept"),
        )
    )
    guardian, ours, theirs = map(int, interpreters[0].line())
    try:
        assert alive(ours)
        interpreters[0].kill()
        wait_until("the guardian has ended", lambda: not alive(guardian), 10)
        assert not alive(ours)
        assert alive(theirs), "it belongs to somebody else"
    finally:
        os.kill(theirs, signal.SIGKILL)


def test_what_others_start_in_a_temporary_directory_ends_with_it(
    interpreters: list[Interpreter],
) -> None:
    interpreters.append(
        Interpreter(UNSAID + "say(cluster.file, guardian.pid, begin(1)); wait()", "")
    )
    file, guardian, node = interpreters[0].line()
    assert alive(int(node))
    interpreters[0].kill()
    assert_nothing_left(file, int(guardian))


# ---- which process is meant


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has no command line of a node, as one has that is being born."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_a_process_is_held_by_its_number_and_its_birth_whatever_its_command_line(
    sleeper: subprocess.Popen[bytes],
) -> None:
    watch = _Watch()
    watch.hear(json.dumps(["process", sleeper.pid, _birth(sleeper.pid)]).encode())
    watch.hear(json.dumps(["process", sleeper.pid, _birth(sleeper.pid)]).encode())
    assert list(watch.nodes.values()) == [(sleeper.pid, _birth(sleeper.pid))]
    watch.kill_all()
    assert sleeper.wait(scaled(5)) == -signal.SIGKILL
    watch.forget(*watch.nodes)
    assert watch.nodes == {}


def test_half_a_line_ends_no_guardian(sleeper: subprocess.Popen[bytes]) -> None:
    watch = _Watch()
    watch.hear(b'["process", 12["started", "/c.yaml"]')
    watch.hear(json.dumps(["process", sleeper.pid, _birth(sleeper.pid)]).encode())
    assert [pid for pid, _ in watch.nodes.values()] == [sleeper.pid]
    for descriptor in list(watch.nodes):
        watch.forget(descriptor)


def test_a_number_that_was_given_again_is_not_adopted(sleeper: subprocess.Popen[bytes]) -> None:
    before = descriptors()
    watch = _Watch()
    watch.adopt(sleeper.pid, _birth(sleeper.pid) - 1)
    watch.adopt(sleeper.pid, 0)
    watch.kill_all()
    assert (watch.nodes, descriptors()) == ({}, before)
    assert sleeper.poll() is None


def held_by(guardian: int) -> set[int]:
    """The processes that it holds pidfds of."""
    found = set()
    for entry in Path(f"/proc/{guardian}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            words = entry.read_text().split()
            if "Pid:" in words:
                found.add(int(words[words.index("Pid:") + 1]))
    return found


def test_each_of_many_restarts_is_guarded_and_what_has_ended_is_forgotten() -> None:
    with Cluster.local(1) as cluster:
        guardian = Guardian.current()
        foreign = held_by(guardian.pid) - {cluster.node(1).pid}
        for _ in range(20):
            cluster.node(1).restart()
            node = cluster.node(1).pid
            wait_until("it is guarded", lambda node=node: node in held_by(guardian.pid))
            wait_until("only it is", lambda node=node: held_by(guardian.pid) - foreign == {node})
            assert node in guardian._processes
            assert not [pid for pid in guardian._processes if not alive(pid)]


def test_a_guardian_that_replaces_another_kills_no_number_that_was_given_again(
    interpreters: list[Interpreter], sleeper: subprocess.Popen[bytes]
) -> None:
    interpreters.append(
        Interpreter(
            START + "from paxledger import guardian as module\n"
            "old = Guardian.current()\n"
            # As if it had been told of a node that has ended since, and whose number this is now.
            "old._processes[int(sys.argv[1])] = module._birth(int(sys.argv[1])) - 1\n"
            "old._say('process', int(sys.argv[1]), module._birth(int(sys.argv[1])) - 1)\n"
            "os.kill(old.pid, signal.SIGKILL); os.waitpid(old.pid, 0)\n"
            "say(Guardian.current().pid, Guardian.current().fileno() == old.fileno()); wait()",
            str(sleeper.pid),
        )
    )
    file, _ = interpreters[0].line()
    new, same = interpreters[0].line()
    assert same == "True", "C++ writes to the descriptor that it was told"
    interpreters[0].kill()
    assert_nothing_left(file, int(new))
    assert sleeper.poll() is None


@pytest.mark.parametrize("end", ["os._exit(3)", "sys.exit(3)"])
def test_nodes_end_when_the_interpreter_ends_without_closing(
    interpreters: list[Interpreter], end: str
) -> None:
    interpreters.append(Interpreter(START + f"wait(); {end}"))
    file, guardian = interpreters[0].line()
    assert interpreters[0].end() == 3
    assert_nothing_left(file, int(guardian))


def test_a_fork_that_lives_on_does_not_keep_the_nodes(interpreters: list[Interpreter]) -> None:
    interpreters.append(
        Interpreter(
            "import warnings; warnings.simplefilter('ignore')\n" + START + "pid = os.fork()\n"
            "if pid == 0:\n"
            "    os.close(1); time.sleep(60); os._exit(0)\n"
            "say(pid); wait()"
        )
    )
    file, guardian = interpreters[0].line()
    (child,) = map(int, interpreters[0].line())
    try:
        interpreters[0].process.kill()
        assert_nothing_left(file, int(guardian))
        assert alive(child)
    finally:
        os.kill(child, signal.SIGKILL)
        interpreters[0].end()


def test_the_signals_of_the_terminal_do_not_end_the_guardian(
    interpreters: list[Interpreter],
) -> None:
    interpreters.append(Interpreter(START + "wait()"))
    file, guardian = interpreters[0].line()
    assert os.getsid(int(guardian)) == int(guardian)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        os.kill(int(guardian), number)
    interpreters[0].kill()
    assert_nothing_left(file, int(guardian))


def test_the_guardian_holds_no_descriptors_of_the_interpreter(
    interpreters: list[Interpreter],
) -> None:
    interpreters.append(
        Interpreter(
            "secret = os.open('/etc/passwd', 0); os.set_inheritable(secret, True)\n"
            + START
            + "wait()"
        )
    )
    file, guardian = interpreters[0].line()
    names = [str(each.readlink()) for each in Path(f"/proc/{guardian}/fd").iterdir()]
    assert not [name for name in names if "passwd" in name or "paxledger-ports" in name], names
    assert len([name for name in names if name.startswith("socket:")]) == 1, names
    interpreters[0].end()
    assert_nothing_left(file, int(guardian))


def test_a_guardian_that_was_killed_is_replaced_at_the_next_start(
    interpreters: list[Interpreter],
) -> None:
    interpreters.append(
        Interpreter(
            START + "old = Guardian.current().pid\n"
            "os.kill(old, signal.SIGKILL); os.waitpid(old, 0)\n"
            "cluster.node(1).restart()\n"
            "say(Guardian.current().pid); wait()"
        )
    )
    file, old = interpreters[0].line()
    (new,) = interpreters[0].line()
    assert new != old
    interpreters[0].kill()
    # Those that it had not started itself as well.
    assert_nothing_left(file, int(new))


def test_nodes_of_others_outlive_an_interpreter_that_only_visits(
    interpreters: list[Interpreter],
) -> None:
    with Cluster.local(3) as cluster:
        cluster.node(3).stop()
        before = [cluster.node(1).pid, cluster.node(2).pid]
        interpreters.append(
            Interpreter(
                "cluster = Cluster.from_yaml(sys.argv[1]).start()\n"
                "say(cluster.node(3).pid, Guardian.current().pid); wait()",
                cluster.file,
            )
        )
        third, guardian = map(int, interpreters[0].line())
        assert alive(third)
        interpreters[0].kill()
        wait_until("what the visitor started is gone", lambda: not alive(third))
        wait_until("its guardian has ended", lambda: not alive(guardian))
        assert [cluster.node(1).pid, cluster.node(2).pid] == before


def test_there_is_one_guardian_for_all_clusters_and_none_in_a_fork() -> None:
    guardian = Guardian.current()
    assert Guardian.current() is guardian
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"none" if Guardian._current is None else b"its parent's")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        assert said.read() == b"none"
    assert Guardian.current() is guardian
