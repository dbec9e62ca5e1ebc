"""Proves that the pure modules link no clock, thread, file, socket or random device.

Usage: check_purity.py BUILD_DIR    reads BUILD_DIR/cpp/<module>/libpaxledger_<module>.a
       check_purity.py --targets    prints the build targets that the check needs

The proof is the list of undefined symbols that `nm` prints for each object of the archives. The
one exception is a broken invariant, which writes to stderr and ends the process. The check fails
as well where an archive is missing or empty, or where `nm` fails: no answer is not a good answer.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

MODULES = ("base", "ledger", "paxos", "kv", "engine")

# Symbols as the linker sees them, whole; a C++ name stands in its mangled form.
FORBIDDEN = {
    "a clock": (
        r"clock|clock_gettime|clock_getres|gettimeofday|time|ftime|timespec_get|localtime(_r)?|"
        r"gmtime(_r)?|mktime|strftime|times|getrusage|_ZNSt6chrono.*3nowEv|timer_create|timerfd_.*"
    ),
    "a thread": (
        r"pthread_.*|_ZNSt6thread.*|_ZNSt(8__detail|3__1)?.*condition_variable.*|thrd_.*|mtx_.*|"
        r"cnd_.*|sem_.*|futex|_ZSt20__throw_system_errori|fork|vfork|clone|exec[vl].*|posix_spawn.*"
    ),
    "a wait": r"u?sleep|(clock_)?nanosleep|p?poll|p?select|epoll_.*|eventfd.*",
    "a file": (
        r"f?open(64|at|at64)?|fdopen|freopen(64)?|creat(64)?|p?(read|write)v?(64)?|close|fclose|"
        r"f(read|write|puts|putc|gets|getc|printf|scanf|flush|sync)|fdatasync|__fprintf_chk|"
        r"v?f?printf|__printf_chk|puts|putchar|stdin|stdout|stderr|mmap(64)?|rename(at)?|"
        r"unlink(at)?|ftruncate(64)?|fallocate(64)?|mkdir|f?stat(at)?(64)?|opendir|"
        r"_Z.*basic_[io]?f(stream|ilebuf).*|_Z.*filebuf.*|_ZSt(4cout|4cerr|3cin|4clog)|"
        r"_Z.*St10filesystem.*"
    ),
    "a socket": (
        r"socket(pair)?|connect|bind|listen|accept4?|send(to|msg)?|recv(from|msg)?|[gs]etsockopt|"
        r"getaddrinfo|zmq_.*|MHD_.*"
    ),
    "a random device": (
        r"getrandom|getentropy|s?rand(om)?(_r)?|[a-z]rand48(_r)?|arc4random.*|"
        r"_Z.*13random_device.*|RAND_.*"
    ),
    "the environment": r"(secure_)?getenv|setenv|getpid|gethostname|uname|system|signal|sigaction",
}
FORBIDDEN_PATTERNS = {what: re.compile(pattern) for what, pattern in FORBIDDEN.items()}

# The last words of a broken invariant, by archive member.
ALLOWED = {"invariant.cpp.o": frozenset({"stderr", "fprintf", "__fprintf_chk", "fputs", "fwrite"})}

# A line of `nm -A --format=posix`: "path/lib.a[member.o]: symbol type …".
LINE = re.compile(r"^.*\[(?P<member>[^\]]+)\]: (?P<symbol>\S+) (?P<type>[a-zA-Z])")


def fault_of(member: str, symbol: str) -> str:
    """What the undefined `symbol` of the object `member` reaches for; empty if it is allowed."""
    name = symbol.split("@")[0]
    if name in ALLOWED.get(member, frozenset()):
        return ""
    for what, pattern in FORBIDDEN_PATTERNS.items():
        if pattern.fullmatch(name):
            return what
    return ""


def check_archive(archive: Path, nm: str = "nm") -> list[str]:
    """The faults of one static library, one line each."""
    if not archive.is_file():
        return [f"{archive}: no such archive; has it been built?"]
    command = [nm, "-A", "--format=posix", str(archive)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return [f"{archive}: {nm} does not run: {error}"]
    if run.returncode != 0:
        return [f"{archive}: {nm} failed with exit code {run.returncode}: {run.stderr.strip()}"]
    symbols = [match for match in map(LINE.match, run.stdout.splitlines()) if match]
    if not symbols:
        return [f"{archive}: {nm} found no symbol"]
    faults = []
    for match in symbols:
        if match["type"] not in "Uwv":
            continue
        what = fault_of(match["member"], match["symbol"])
        if what:
            faults.append(f"{archive.name}: {match['member']} uses {what}: {match['symbol']}")
    return faults


def main(arguments: list[str]) -> int:
    """Prints the faults; returns the exit code."""
    if arguments == ["--targets"]:
        print("\n".join(f"paxledger_{module}" for module in MODULES))
        return 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    faults = []
    for module in MODULES:
        archive = Path(arguments[0]) / "cpp" / module / f"libpaxledger_{module}.a"
        faults += check_archive(archive)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
