"""Closing takes no longer than it should: silent nodes, Ctrl-C, many at once, at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client_fixtures import finish_script, start_script

import paxledger
from cluster_fixtures import MakeCluster
from paxledger import aio
from paxledger._door import Doors
from waiting import TIME_SCALE


@pytest.fixture
def mute(make_cluster: MakeCluster) -> Iterator[Callable[[int], list[paxledger.Client]]]:
    """Makes clients that have a session, and whose only node then falls silent."""
    cluster = make_cluster(1).start()

    def open_clients(count: int) -> list[paxledger.Client]:
        clients = [paxledger.connect(cluster.endpoints) for _ in range(count)]
        for each in clients:
            each["k"] = "v"
        cluster.node(1).pause()
        return clients

    yield open_clients
    cluster.node(1).resume()


def _interrupt_soon() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.02)


@pytest.fixture
def interrupted() -> Iterator[None]:
    """A timer stands for Ctrl-C, so that it comes while a wait of 250 ms lasts."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("interrupted")
def test_ctrl_c_ends_also_the_wait_of_close(
    mute: Callable[[int], list[paxledger.Client]],
) -> None:
    (db,) = mute(1)
    begun = time.monotonic()
    _interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        db.close()
    assert time.monotonic() - begun < 0.2 * TIME_SCALE
    assert db.closed
    begun = time.monotonic()
    db.close()
    assert time.monotonic() - begun < 0.1 * TIME_SCALE, "nothing is left to wait for"


def test_a_close_that_is_cancelled_does_not_hold_up_the_event_loop(
    mute: Callable[[int], list[paxledger.Client]],
) -> None:
    async def close() -> None:
        adb = aio.Client(Doors(db._connection))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(adb.close(), 0.02)
        assert adb.closed

    (db,) = mute(1)
    begun = time.monotonic()
    asyncio.run(close())
    assert time.monotonic() - begun < 0.2 * TIME_SCALE


@pytest.mark.parametrize("count", [1, 8])
def test_clients_that_are_garbage_do_not_hold_up_who_lets_go_of_them(
    mute: Callable[[int], list[paxledger.Client]], count: int
) -> None:
    clients = mute(count)
    begun = time.monotonic()
    clients.clear()
    assert time.monotonic() - begun < 0.2 * TIME_SCALE


# A look-up of a name that takes 3 seconds, as it may without a network.
SLOW_LOOKUP = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int Lookup(const char*, const char*, const struct addrinfo*, struct addrinfo**);

int getaddrinfo(const char* name, const char* service, const struct addrinfo* hints,
                struct addrinfo** found) {
  if (name && strstr(name, "slow.invalid")) sleep(3);
  return ((Lookup*)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}
"""

CLOSED_WHILE_LOOKING_UP = """
import time
import paxledger

for count in (1, 8):
    clients = [paxledger.connect("tcp://slow.invalid:7101", deadline=0.05) for _ in range(count)]
    for each in clients:
        try:
            each.get("k")
        except paxledger.Timeout:
            pass
    begun = time.monotonic()
    if count == 1:
        clients[0].close()
        print(time.monotonic() - begun)
print(time.monotonic(), flush=True)
"""


def test_a_name_that_is_being_looked_up_holds_up_no_close(tmp_path: Path) -> None:
    (tmp_path / "lookup.c").write_text(SLOW_LOOKUP, encoding="utf-8")
    compiling = ["gcc", "-shared", "-fPIC", "-o", "lookup.so", "lookup.c", "-ldl"]
    subprocess.run(compiling, cwd=tmp_path, check=True)
    first = os.environ.get("LD_PRELOAD", "")  # a sanitizer has to be that
    environment = {**os.environ, "LD_PRELOAD": f"{first} {tmp_path / 'lookup.so'}"}
    process = start_script(tmp_path, CLOSED_WHILE_LOOKING_UP, environment=environment)
    closing, at_exit = map(float, finish_script(process).split())
    assert closing < 0.4 * TIME_SCALE
    assert time.monotonic() - at_exit < 1.5 * TIME_SCALE


CLOSED_TOGETHER = """
import sys, time
import paxledger

clients = [paxledger.connect(sys.argv[1]) for _ in range(8)]
for each in clients:
    each["k"] = "v"
print("open", flush=True)
sys.stdin.readline()
print(time.monotonic(), flush=True)
"""


def test_open_clients_are_closed_at_once_when_the_interpreter_ends(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster(1).start()
    process = start_script(tmp_path, CLOSED_TOGETHER, ",".join(cluster.endpoints))
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "open\n"
    cluster.node(1).pause()
    try:
        print(file=process.stdin, flush=True)
        begun = float(process.stdout.readline())
        finish_script(process)
        took = time.monotonic() - begun
    finally:
        cluster.node(1).resume()
    assert took < 1.0 * TIME_SCALE, f"8 clients take {took:.2f} s, and one 0.25"
