"""Holds the include lines of cpp/ against the module table of the architecture.

Usage: check_includes.py [ROOT]     ROOT holds cpp/; default: the repository of this script.

Fails on a module that is missing in the table, an include that the table does not allow, an
include of a file that does not exist, a dependency that a CMakeLists.txt declares beyond the
table, a cycle, and a header in a pure module that has no business there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Which module may include which, as the architecture has it; `base`, the vocabulary, is added to
# the two rows that leave it to be understood (sim, cli). An entry with a slash allows that one
# header instead of the whole module.
MAY_INCLUDE: dict[str, frozenset[str]] = {
    "base": frozenset(),
    "ledger": frozenset({"base"}),
    "paxos": frozenset({"base"}),
    "kv": frozenset({"base"}),
    "engine": frozenset({"base", "ledger", "paxos", "kv"}),
    "wire": frozenset({"base", "paxos", "kv", "ledger"}),
    "storage": frozenset({"base", "ledger", "wire", "paxos/records.hpp"}),
    "net": frozenset({"base", "wire", "paxos/messages.hpp"}),
    "node": frozenset({"base", "ledger", "paxos", "kv", "engine", "wire", "storage", "net"}),
    "client": frozenset({"base", "wire", "ledger", "net", "kv/command.hpp"}),
    "control": frozenset({"base", "client", "node/configuration.hpp", "storage/directory.hpp"}),
    "sim": frozenset({"base", "ledger", "paxos", "kv", "engine", "wire", "storage"}),
    "cli": frozenset(
        {
            "base",
            "client",
            "control",
            "sim",
            "ledger",
            "kv/command.hpp",
            "node/configuration.hpp",
            "node/quantities.hpp",
            "storage/posix_disk.hpp",
            "storage/verify.hpp",
        }
    ),
}

# The modules that are a function of their inputs alone.
PURE = frozenset({"base", "ledger", "paxos", "kv", "engine"})

# Headers that a pure module has no use for: clocks, threads, files, sockets, randomness. The
# header <chrono> is allowed for its durations; scripts/check_purity.py sees the call of a clock.
IMPURE_HEADERS = frozenset(
    "thread mutex shared_mutex condition_variable future semaphore latch barrier stop_token "
    "fstream iostream filesystem random ctime time.h sys/time.h unistd.h fcntl.h pthread.h "
    "sys/socket.h sys/random.h netinet/in.h zmq.h zmq.hpp microhttpd.h "
    "openssl/rand.h spdlog/spdlog.h yaml-cpp/yaml.h".split()
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
MODULE_CALL = re.compile(r"paxledger_(module|program)\s*\(([^)]*)\)")
KEYWORDS = frozenset({"DEPS", "LIBS", "PRIVATE_LIBS"})


def is_allowed(module: str, header: str) -> bool:
    """Whether a file of `module` may include "header", a path like "wire/codec.hpp"."""
    owner = header.split("/")[0]
    allowed = MAY_INCLUDE[module]
    return owner == module or owner in allowed or header in allowed


def check_source(cpp: Path, path: Path, edges: dict[str, set[str]]) -> list[str]:
    """The faults of one source file; adds the modules that it includes to `edges`."""
    module = path.relative_to(cpp).parts[0]
    faults = []
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        where = f"{path.relative_to(cpp.parent)}:{text.count(chr(10), 0, match.start()) + 1}"
        kind, header = match.groups()
        if kind == "<":
            if module in PURE and header in IMPURE_HEADERS:
                faults.append(f"{where}: {module} is pure and may not include <{header}>")
            continue
        if not (cpp / header).is_file():
            faults.append(f'{where}: "{header}" is no file of cpp/')
            continue
        owner = header.split("/")[0]
        if owner != module:
            edges.setdefault(module, set()).add(owner)
        if not is_allowed(module, header):
            rows = ", ".join(sorted(MAY_INCLUDE[module])) or "nothing"
            faults.append(f'{where}: {module} may not include "{header}" (allowed: {rows})')
    return faults


def linkable(module: str) -> set[str]:
    """The targets that `module` may link: its row, and for one header the target that defines it.

    A header like node/configuration.hpp may come with a target of its own, node_configuration.
    """
    targets = set()
    for entry in MAY_INCLUDE[module]:
        targets |= {entry.split("/")[0], entry.removesuffix(".hpp").replace("/", "_")}
    return targets


def check_cmake(cpp: Path, path: Path) -> list[str]:
    """The faults of one CMakeLists.txt: every module after DEPS has to be allowed by the table.

    A program is the outermost layer of its module and follows the same row.
    """
    module = path.parent.name
    faults = []
    for kind, arguments in MODULE_CALL.findall(path.read_text(encoding="utf-8")):
        keyword = ""
        for word in arguments.split():
            if word in KEYWORDS:
                keyword = word
            elif keyword == "DEPS" and word != module and word not in linkable(module):
                where = path.relative_to(cpp.parent)
                faults.append(f"{where}: paxledger_{kind} of {module} may not depend on {word}")
    return faults


def find_cycle(edges: dict[str, set[str]]) -> list[str]:
    """One cycle of the graph as a list of modules, first and last equal; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for following in sorted(edges.get(module, set())):
            cycle = visit(following, [*path, module])
            if cycle:
                return cycle
        done.add(module)
        return []

    for start in sorted(edges):
        cycle = visit(start, [])
        if cycle:
            return cycle
    return []


def check(root: Path) -> list[str]:
    """All faults of the tree under `root`, one line each."""
    cpp = root / "cpp"
    if not cpp.is_dir():
        return [f"{cpp}: no such folder"]
    faults = []
    edges: dict[str, set[str]] = {}
    for folder in sorted(path for path in cpp.iterdir() if path.is_dir()):
        if folder.name not in MAY_INCLUDE:
            faults.append(f"cpp/{folder.name}: this module is missing in the table of {__file__}")
            continue
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".hpp", ".cpp", ".h", ".cc"}:
                faults += check_source(cpp, path, edges)
            elif path.name == "CMakeLists.txt":
                faults += check_cmake(cpp, path)
    cycle = find_cycle(edges)
    if cycle:
        faults.append("cycle: " + " -> ".join(cycle))
    return faults


def main(arguments: list[str]) -> int:
    """Prints the faults; returns the exit code."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    faults = check(root)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
