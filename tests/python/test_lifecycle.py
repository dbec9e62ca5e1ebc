"""Forks, signals, the end of the interpreter, and memory: each in a process of its own."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from client_fixtures import finish_script, start_script

import paxledger
from cluster import Cluster
from waiting import TIME_SCALE, wait_until

# ---- fork

FORK = """
import asyncio, gc, os, signal, sys, threading, warnings
import paxledger
from paxledger import aio

# What newer Pythons say about fork and threads is right, and what this is about.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")

endpoints, silent = sys.argv[1:]
db = paxledger.connect(endpoints)
db["k"] = "v"
lonely = paxledger.connect(silent, deadline=60)
waited_for = lonely.pipelined.put("k", "v")
waiting = threading.Event()

def wait():
    waiting.set()
    assert isinstance(waited_for.exception(), paxledger.Error)

thread = threading.Thread(target=wait)
thread.start()
waiting.wait()

def refusals(uses):
    count = 0
    for use in uses:
        try:
            use()
        except paxledger.ForkedError as error:
            count += "fork" in str(error)
    return count

child = os.fork()
if child == 0:
    signal.alarm(10)  # should the end of the child hang
    refused = refusals([
        lambda: db.put("k", "v"),
        lambda: db["k"],
        lambda: db.pipelined.get("k"),
        lambda: db.counters(),
        waited_for.done,
        waited_for.result,
        lambda: paxledger.wait([waited_for]),
    ])
    assert refused == 7, refused
    repr(db)
    assert "before the fork" in repr(waited_for)
    db.close()
    del waited_for, lonely, thread
    gc.collect()
    # A client that is opened after the fork works.
    with paxledger.connect(endpoints) as own:
        assert own["k"] == b"v"
        own["child"] = "was here"
    sys.exit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
assert db["child"] == b"was here"

async def body():
    adb = aio.connect(silent, deadline=60)
    call = adb.put("k", "v")
    child = os.fork()
    if child == 0:
        # In a fork no event loop runs, whatever the stack looks like.
        os._exit(7 if refusals([lambda: adb.put("k", "v"), adb.counters]) == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status
    assert not call.done()
    await adb.close()
    await asyncio.wait([call])
    assert isinstance(call.exception(), paxledger.Error)

asyncio.run(body())
lonely.close()
thread.join(5)
assert not thread.is_alive()
print("parent ends")
"""


def test_a_fork_refuses_what_its_parent_opened_and_both_end_well(
    db: paxledger.Client, silent: str, tmp_path: Path
) -> None:
    process = start_script(tmp_path, FORK, ",".join(db.endpoints), silent)
    assert finish_script(process) == "parent ends\n"


# ---- Ctrl-C

PREPARE = """
import asyncio, sys, time
import paxledger
from paxledger import aio

db = paxledger.connect(sys.argv[1], deadline=60)

async def forever():
    async with aio.connect(sys.argv[1], deadline=60) as adb:
        try:
            await adb.put("k", "v")
        except asyncio.CancelledError:  # what Ctrl-C is in a coroutine
            print(time.monotonic())
            raise
"""

INTERRUPTED = """
try:
    print("waiting", flush=True)
    {wait}
except KeyboardInterrupt:
    print(time.monotonic())
"""

WAITS = {
    "put": 'db.put("k", "v")',
    "get": 'db["k"]',
    "scan": "db.scan()",
    "chain": "list(db.chain())",
    "admin": 'db.admin("status", node=0)',
    "future": 'db.pipelined.put("k", "v").result()',
    "future with a timeout": 'db.pipelined.put("k", "v").result(timeout=50)',
    "wait": 'paxledger.wait([db.pipelined.put("k", "v")])',
    "batch": 'with db.batch() as batch: batch.put("k", "v")',
    "asyncio": "asyncio.run(forever())",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_every_wait(silent: str, tmp_path: Path, wait: str) -> None:
    script = PREPARE + INTERRUPTED.format(wait=WAITS[wait])
    process = start_script(tmp_path, script, silent)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    wait_until("the main thread sleeps", lambda: _state(process.pid) == "S")
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    interrupted = float(finish_script(process).split()[0])
    assert interrupted - sent < 0.2 * TIME_SCALE


def _state(process: int) -> str:
    """Of its main thread: S while it waits for something."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def test_the_handler_of_a_signal_runs_while_a_call_waits_and_the_call_goes_on(
    silent: str, tmp_path: Path
) -> None:
    script = """
import signal, sys
import paxledger

seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
with paxledger.connect(sys.argv[1], deadline=0.6) as db:
    try:
        db.get("k")
    except paxledger.Error as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(type(error).__name__, len(seen))
"""
    ended, seen = finish_script(start_script(tmp_path, script, silent)).split()
    assert ended == "Timeout"
    assert int(seen) >= 4


# ---- too few descriptors

EXHAUSTED = """
import os, resource, sys
import paxledger

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
most = len(os.listdir("/proc/self/fd")) + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
opened = []
try:
    for _ in range(20):
        opened.append(paxledger.connect(sys.argv[1], deadline=0.01))
        try:
            opened[-1].get("k")
        except (paxledger.Timeout, paxledger.NoQuorum):
            pass
except paxledger.SystemFailure as failure:
    print(failure)
for each in opened:
    each.close()
"""


@pytest.mark.parametrize("left", range(20, 30))
def test_too_few_descriptors_are_an_error_and_not_the_end(
    silent: str, tmp_path: Path, left: int
) -> None:
    process = start_script(tmp_path, EXHAUSTED, silent, str(left))
    assert "oo many open files" in finish_script(process)


# ---- the end of the interpreter

EXITS = {
    "an open client": 'db["k"] = "v"',
    "pending futures": """
futures = [db.pipelined.put(f"k{n}", "v") for n in range(1000)]
lonely_futures = [lonely.pipelined.put("k", "v") for n in range(100)]
""",
    "a wait in a daemon thread": """
begin(lambda: lonely.get("k"))
""",
    "a daemon thread that never gives up": """
def stubborn():
    while True:
        try:
            lonely.get("k")
        except paxledger.Error:
            pass
for _ in range(4):
    begin(stubborn)
""",
    "a daemon thread that opens clients": """
def opening():
    while True:
        try:
            with paxledger.connect(sys.argv[2], deadline=0.01) as short:
                short.get("k")
        except paxledger.Error:
            pass
for _ in range(2):
    begin(opening)
""",
    "daemon threads at work": """
def work():
    while True:
        db["k"] = "v"
        db.get("k")
for _ in range(4):
    begin(work)
""",
    "an event loop in a daemon thread": """
async def forever(endpoints):
    adb = aio.connect(endpoints)
    while True:
        await asyncio.gather(*(adb.put(f"k{n}", "v") for n in range(32)), return_exceptions=True)
begin(lambda: asyncio.run(forever(sys.argv[1])))
begin(lambda: asyncio.run(forever(sys.argv[2])))
""",
    "an event loop that has ended with calls under way": """
async def body():
    global adb, calls
    adb = aio.connect(sys.argv[2])
    calls = [adb.put("k", "v") for n in range(100)]
asyncio.run(body())
""",
    "sys.exit within a batch": """
with db.batch() as batch:
    for n in range(100):
        batch.put(f"k{n}", "v")
    sys.exit(0)
""",
    "a client that is garbage": """
lonely.pipelined.put("k", "v")
del lonely
gc.collect()
""",
    "a cycle with a client in it": """
cycle = [lonely]
cycle.append(cycle)
lonely.cycle = cycle
""",
}

EXIT = """
import asyncio, gc, sys, threading, time
import paxledger
from paxledger import aio

# A daemon thread that ends with an exception while the interpreter goes is no complaint here.
threading.excepthook = lambda _: None
begun = []

def begin(target):
    started = threading.Event()
    def run():
        started.set()
        target()
    threading.Thread(target=run, daemon=True).start()
    started.wait()

db = paxledger.connect(sys.argv[1])
lonely = paxledger.connect(sys.argv[2], deadline=60)
{body}
time.sleep(float(sys.argv[3]))
print("end", time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("pause", ["0", "0.15"])
@pytest.mark.parametrize("case", EXITS)
def test_the_interpreter_ends_well(
    db: paxledger.Client, silent: str, tmp_path: Path, case: str, pause: str
) -> None:
    script = EXIT.format(body=EXITS[case])
    process = start_script(tmp_path, script, ",".join(db.endpoints), silent, pause)
    printed = finish_script(process)
    if "sys.exit" not in case:
        took = time.monotonic() - float(printed.split()[1])
        assert took < 2.0 * TIME_SCALE, f"the end took {took:.1f} s"


# ---- memory

MEMORY = """
import asyncio, sys
from collections import deque
from pathlib import Path
import paxledger
from paxledger import aio

PAGE = 4096

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE

def blocking(db, count):
    for n in range(count):
        key = f"k{n % 100}"
        db.put(key, "v" * 64)
        db.get(key)

def futures(db, count):
    window = deque()
    for n in range(count):
        if len(window) >= 256:
            window.popleft().result()
        if n % 10 == 0:
            window.append(db.pipelined.entry("nothing"))
            window.pop().exception()
        window.append(db.pipelined.put(f"k{n % 100}", "v" * 64))
    paxledger.wait(window)

async def tasks(endpoints, count):
    async def work(worker):
        for n in range(count // 256):
            await adb.put(f"k{worker}", "v" * 64)
            if n % 10 == 0:
                adb.get(f"k{worker}").cancel()
    async with aio.connect(endpoints) as adb:
        await asyncio.gather(*(work(worker) for worker in range(256)))

def round_of(db, scale):
    blocking(db, 1000 * scale)
    futures(db, 9000 * scale)
    asyncio.run(tasks(sys.argv[1], 9000 * scale))
    for _ in range(10 * scale):
        with paxledger.connect(sys.argv[1]) as other:
            other.get("k")

with paxledger.connect(sys.argv[1]) as db:
    round_of(db, 1)
    before = resident()
    round_of(db, 10)
    grown = resident() - before
print(grown)
"""


def test_memory_does_not_grow_over_200000_operations(
    serving: Cluster, db: paxledger.Client, tmp_path: Path
) -> None:
    process = start_script(tmp_path, MEMORY, ",".join(serving.endpoints))
    grown = int(finish_script(process, timeout=120))
    # A leak of the smallest object at each operation would be 200,000 * 32 octets.
    assert grown < 4 << 20, f"{grown} octets more"
