"""Ends the nodes of an interpreter that has died, however it died.

This file has two sides. The interpreter's side, `Guardian`, starts the file as a process of its own
and keeps one end of a socket pair; the other end is that process's standard input. The interpreter
says what it starts; when the socket ends, because the interpreter closed it or is no more, the
process kills what still runs. A process is known by its pid and its time of birth, and held by a
pidfd from when it is told of until it ends, so that no number is ever taken for another process.

What is said, as lines of JSON:

    ["process", PID, BIRTH]       a node that the interpreter started, and when (clock ticks since
                                  the machine did)
    ["starting", FILE, TIME, [NODE…]]
                                  from TIME on (boot time, ns) it starts nodes of this cluster.yaml;
                                  these ones belong to somebody else, and outlive it
    ["started", FILE]             it is done with that
    ["directory", PATH]           a temporary directory, to be removed once all nodes are gone
    ["keep", PATH]                no longer

A node begins to run before its pid can be said. Should the interpreter die in between, the node is
found by its command line and its time of birth: that is what "starting" is for. Nodes whose
cluster.yaml is in a temporary directory end with it, whoever started them.

Only the standard library is used, and nothing of this package: the process runs this file alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

# How long births are looked for after the end of the interpreter. A node that was just being made
# has its command line after a few milliseconds.
_BIRTH_PATIENCE_S = 0.3
_END_PATIENCE_S = 5.0
DIRECTORY_PREFIX = "paxledger-"


class Guardian:
    """The interpreter's side. One for all clusters of the process.

    Threads: any. Processes: the one that made it; a fork has to make its own.
    """

    _current: Guardian | None = None
    _current_lock = threading.Lock()

    @classmethod
    def current(cls) -> Guardian:
        """Returns the guardian of this interpreter; starts it, or a new one if it has ended.

        Raises:
            OSError: It cannot be started.
        """
        with cls._current_lock:
            present = cls._current
            if present is None or not present._say():
                cls._current = cls() if present is None else present._replaced()
            assert cls._current is not None
            return cls._current

    @classmethod
    def present(cls) -> Guardian | None:
        """Returns the guardian if there is one. Waits for nothing."""
        return cls._current

    def __init__(self) -> None:
        # A finalizer may run within any of these methods, and has to say something itself.
        self._lock = threading.RLock()
        self._processes: dict[int, int] = {}  # pid → birth
        self._starting: dict[str, tuple[int, list[int]]] = {}
        self._directories: list[str] = []
        ours, theirs = socket.socketpair()
        with theirs:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            try:
                # The descriptors of this process are closed by the program itself. A session of its
                # own keeps the signals of the terminal away.
                self.pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-I", "-S", "-X", "utf8", os.path.realpath(__file__)],
                    {
                        name: value
                        for name, value in os.environ.items()
                        if name == "LD_LIBRARY_PATH"
                    },
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                        (os.POSIX_SPAWN_DUP2, null, 1),
                        (os.POSIX_SPAWN_DUP2, null, 2),
                    ],
                    setsid=True,
                    setsigmask=(),
                )
            except OSError:
                ours.close()
                raise
            finally:
                os.close(null)
        self._socket = ours

    def fileno(self) -> int:
        """The socket, for C++ to report processes to."""
        return self._socket.fileno()

    def process(self, pid: int, birth: int) -> None:
        """Tells of a node that was started. To tell it again does no harm."""
        known = {each: born for each, born in self._processes.items() if _birth(each) == born}
        self._processes = known | {pid: birth}
        self._say("process", pid, birth)

    def starting(self, file: str, theirs: list[int]) -> None:
        """Nodes of this cluster.yaml are about to be started. Those of others outlive Python."""
        self._starting[file] = (time.clock_gettime_ns(time.CLOCK_BOOTTIME), theirs)
        self._say("starting", file, *self._starting[file])

    def started(self, file: str) -> None:
        """All that were to be started are."""
        self._starting.pop(file, None)
        self._say("started", file)

    def directory(self, path: str) -> None:
        """A temporary directory, to be removed if the interpreter dies."""
        self._directories.append(path)
        self._say("directory", path)

    def keep(self, path: str) -> None:
        """The directory is gone, or belongs to somebody else now."""
        if path in self._directories:
            self._directories.remove(path)
        self._say("keep", path)

    def _say(self, *words: str | int | list[int]) -> bool:
        """Whether somebody hears it. Without words it only asks that."""
        line = json.dumps(words).encode() + b"\n"
        with self._lock:
            try:
                self._socket.sendall(line)
            except OSError:
                return False
        return True

    def _replaced(self) -> Guardian:
        """A new one that knows what this one knew."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        new = Guardian()
        # C++ may be about to write to the descriptor: it stays the same one.
        os.dup2(new._socket.fileno(), self._socket.fileno(), inheritable=False)
        new._socket.close()
        new._socket = self._socket
        for path in self._directories:
            new.directory(path)
        for pid, birth in self._processes.items():
            new.process(pid, birth)
        for file, (since, theirs) in self._starting.items():
            new._starting[file] = (since, theirs)
            new._say("starting", file, since, theirs)
        return new

    @classmethod
    def _forked(cls) -> None:
        # Were it open in a child, the socket would not end with its parent.
        cls._current_lock = threading.Lock()
        if cls._current is not None:
            cls._current._socket.close()
            cls._current = None


os.register_at_fork(after_in_child=Guardian._forked)


# ---- the process


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")
    except OSError:
        return []


def _daemon(pid: int) -> tuple[str, str] | None:
    """The cluster.yaml and the node that the process serves, if it runs paxledgerd."""
    arguments = _arguments(pid)
    if not arguments or os.path.basename(arguments[0]) != "paxledgerd":  # noqa: PTH119
        return None
    options = dict(zip(arguments[1:], arguments[2:], strict=False))
    return options.get("--config", ""), options.get("--node", "")


def _birth(pid: int) -> int:
    """When the process began, in clock ticks since the machine did; 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


class _Watch:
    """What the guardian knows."""

    def __init__(self) -> None:
        self.nodes: dict[int, tuple[int, int]] = {}  # pidfd → pid, birth
        # cluster.yaml → since when, ns of boot time; which nodes are somebody else's
        self.starting: dict[str, tuple[int, list[int]]] = {}
        self.directories: set[str] = set()

    def hear(self, line: bytes) -> None:
        try:
            words = json.loads(line)
        except ValueError:  # half a line, as Ctrl-C in the midst of it would leave
            return
        match words:
            case ["process", int(pid), int(birth)]:
                self.adopt(pid, birth)
            case ["starting", str(file), int(since), list(theirs)]:
                self.starting[file] = (since, theirs)
            case ["started", str(file)]:
                self.starting.pop(file, None)
            case ["directory", str(path)]:
                self.directories.add(path)
            case ["keep", str(path)]:
                self.directories.discard(path)
            case _:
                pass

    def adopt(self, pid: int, birth: int) -> None:
        """Takes hold of a process, if it still is the one that was born then."""
        if (pid, birth) in self.nodes.values():
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # it has ended
            return
        # Looked at after it is held: the number cannot pass to another process any more.
        if birth and _birth(pid) == birth:
            self.nodes[descriptor] = (pid, birth)
        else:
            os.close(descriptor)

    def forget(self, descriptor: int) -> None:
        """The process has ended."""
        del self.nodes[descriptor]
        os.close(descriptor)

    def find_unsaid(self) -> None:
        """Takes hold of the nodes that are to end, but of which nobody has told."""
        for entry in os.listdir("/proc"):  # noqa: PTH208
            if not entry.isdecimal():
                continue
            pid = int(entry)
            birth = _birth(pid)
            # Its command line is looked at after its birth. Should the number pass to another
            # process in between, the birth is not that of the one that is taken hold of.
            daemon = _daemon(pid)
            if daemon and self._is_to_end(*daemon, birth):
                self.adopt(pid, birth)

    def _is_to_end(self, file: str, node: str, birth: int) -> bool:
        if any(file.startswith(path + os.sep) for path in self.directories):
            return True
        if file not in self.starting:
            return False
        since, theirs = self.starting[file]
        # A birth is rounded down to a tick.
        born_ns = (birth + 1) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        return born_ns >= since and node not in map(str, theirs)

    def kill_all(self) -> None:
        """Kills every node, paused ones too."""
        for descriptor in self.nodes:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    def remove_directories(self) -> None:
        """Removes what was temporary."""
        for path in self.directories:
            if os.path.basename(path).startswith(DIRECTORY_PREFIX):  # noqa: PTH119
                shutil.rmtree(path, ignore_errors=True)


def _listen(watch: _Watch) -> None:
    """Hears the interpreter until the socket ends, and forgets the nodes that end meanwhile."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    rest = b""
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != 0:
                poll.unregister(descriptor)
                watch.forget(descriptor)
                continue
            try:
                octets = os.read(0, 65536)
            except ConnectionResetError:
                return
            if not octets:
                return
            *lines, rest = (rest + octets).split(b"\n")
            before = set(watch.nodes)
            for line in lines:
                watch.hear(line)
            for new in set(watch.nodes) - before:
                poll.register(new, select.POLLIN)


def main() -> None:
    """Guards until standard input ends, then ends what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    watch = _Watch()
    _listen(watch)

    births_until = time.monotonic() + (_BIRTH_PATIENCE_S if watch.starting else 0)
    end_until = time.monotonic() + _END_PATIENCE_S
    while True:
        watch.find_unsaid()
        watch.kill_all()
        now = time.monotonic()
        if (not watch.nodes and now >= births_until) or now >= end_until:
            break
        ended, _, _ = select.select(list(watch.nodes), [], [], 0.01)
        for descriptor in ended:
            watch.forget(descriptor)
    watch.remove_directories()


if __name__ == "__main__":
    main()
