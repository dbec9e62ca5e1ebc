"""Free ports for the nodes of a local cluster."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import weakref
from pathlib import Path
from typing import IO

from paxledger.errors import SystemFailure

_BLOCK = 32  # 9 nodes have 27 ports
_BLOCKS_MAX = 110


def _outgoing_range() -> tuple[int, int]:
    """The ports that the system gives to outgoing connections, which may be taken at any time."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        first, last = (int(word) for word in text.split())
    except (OSError, ValueError):
        return 32768, 60999
    return first, last


def _first_ports() -> list[int]:
    """Where blocks may begin: below the outgoing range if there is room, else above it."""
    first, last = _outgoing_range()
    below = range(first - _BLOCK, 10_000, -_BLOCK)[:_BLOCKS_MAX]
    above = range(last + 1, 65_536 - _BLOCK, _BLOCK)[:_BLOCKS_MAX]
    return list(below or above or range(20_000, 20_000 + _BLOCKS_MAX * _BLOCK, _BLOCK))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class PortBlock:
    """Loopback ports that no other block of this machine's user has, until close().

    Each block has a lock file, which interpreters that look for ports at the same time respect; a
    block of which any port is taken by somebody else is passed over.
    """

    _all: weakref.WeakSet[PortBlock] = weakref.WeakSet()

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"paxledger-ports.{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._reserve(folder)
        except SystemFailure:
            raise
        except OSError as failure:
            raise SystemFailure(
                f"cannot reserve ports in {folder}: {failure.filename or folder}: "
                f"{failure.strerror or failure}"
            ) from failure

    def _reserve(self, folder: Path) -> None:
        candidates = _first_ports()
        for first in random.sample(candidates, len(candidates)):
            lock = (folder / str(first)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            if all(_is_free(port) for port in range(first, first + _BLOCK)):
                self._lock: IO[str] = lock
                self._ports = iter(range(first, first + _BLOCK))
                PortBlock._all.add(self)
                return
            lock.close()
        raise SystemFailure(
            f"no {_BLOCK} free ports in a row from {min(candidates)} to {max(candidates) + _BLOCK}:"
            " other clusters use them all; close those that are not needed"
        )

    def take(self) -> int:
        """Returns the next port."""
        return next(self._ports)

    def close(self) -> None:
        """Lets others have the ports."""
        self._lock.close()

    @classmethod
    def _forked(cls) -> None:
        # A child that lives on must not hold the ports of its parent.
        for block in list(cls._all):
            block.close()


os.register_at_fork(after_in_child=PortBlock._forked)
