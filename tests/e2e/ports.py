"""Ports for clusters that are tested at the same time, also by several runs on one machine."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

# Below the range that outgoing connections take theirs from (32768 and above).
_FIRST = 10_000
_BLOCK = 32
_BLOCKS = 600


class PortBlock:
    """Up to 32 loopback ports that nobody else uses until close().

    Each block has a lock file, so that two runs never get the same one; a block of which any port
    is taken by a stranger is passed over.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"paxledger-test-ports.{os.getuid()}"
        folder.mkdir(exist_ok=True)
        for block in random.sample(range(_BLOCKS), _BLOCKS):
            lock = (folder / str(block)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            first = _FIRST + block * _BLOCK
            if all(_is_free(port) for port in range(first, first + _BLOCK)):
                self._lock: IO[str] = lock
                self._next = first
                self._end = first + _BLOCK
                return
            lock.close()
        raise RuntimeError("no free block of ports")

    def take(self) -> int:
        assert self._next < self._end, "a block of ports is used up"
        self._next += 1
        return self._next - 1

    def close(self) -> None:
        self._lock.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
