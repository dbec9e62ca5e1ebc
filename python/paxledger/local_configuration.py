"""Writes the cluster.yaml of a cluster that is made on the spot."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from paxledger.errors import BadRequest, SystemFailure


def temporary_directory(prefix: str) -> Path:
    """Makes a directory of its own for a cluster.

    Raises:
        SystemFailure: It cannot be made.
    """
    with _system_failures(None):
        return Path(tempfile.mkdtemp(prefix=prefix)).resolve()


@contextlib.contextmanager
def written(
    directory: Path,
    *,
    ports: Iterable[tuple[int, int, int]],
    name: str,
    fault_injection: bool,
    heartbeat: float,
    election_timeout: float,
    work_bits: int,
) -> Iterator[Path]:
    """Writes cluster.yaml into a directory, which is made if need be, and gives its path.

    If that or what is done within it fails, what was made is removed again.

    Args:
        directory: Of the file; the data is put below it.
        ports: Of each node: for its peers, for clients, for HTTP.
        name: Of the cluster.
        fault_injection: Whether links can be disturbed.
        heartbeat: Seconds.
        election_timeout: Seconds.
        work_bits: Proof of work of each block.

    Raises:
        BadRequest: There is a cluster.yaml already.
        SystemFailure: The directory cannot be made, or the file cannot be written.
        TypeError: An argument of the wrong type.
    """
    if not isinstance(name, str):
        raise TypeError(f"name is a str, not {name!r}")
    if isinstance(work_bits, bool) or not isinstance(work_bits, int):
        raise TypeError(f"work_bits is a whole number, not {work_bits!r}")
    if not isinstance(fault_injection, bool):
        raise TypeError(f"fault_injection is True or False, not {fault_injection!r}")
    nodes = "".join(
        f'  - {{id: {node}, peer: "tcp://127.0.0.1:{peer}", client: "tcp://127.0.0.1:{client}", '
        f'http: "127.0.0.1:{http}"}}\n'
        for node, (peer, client, http) in enumerate(ports, 1)
    )
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    text = (
        f"cluster: {quoted}\n"
        "data_dir: data\n"
        f"nodes:\n{nodes}"
        f"timing: {{heartbeat: {heartbeat * 1e6:.0f}us, "
        f"election_timeout: {election_timeout * 1e6:.0f}us}}\n"
        f"ledger: {{work_bits: {work_bits}}}\n"
        f"fault_injection: {'true' if fault_injection else 'false'}\n"
    )
    try:
        octets = text.encode()
    except UnicodeEncodeError as failure:
        raise BadRequest(f"name is text that UTF-8 can express, not {name!r}") from failure
    with contextlib.ExitStack() as undo:
        with _system_failures(directory):
            file = _write_new(directory, octets, undo)
        yield file
        undo.pop_all()


def _write_new(directory: Path, octets: bytes, undo: contextlib.ExitStack) -> Path:
    """Writes the file and returns its path; `undo` learns how to remove what was made."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        undo.callback(_remove_empty, each)
    file = directory.resolve() / "cluster.yaml"
    try:
        stream = file.open("xb")
    except FileExistsError as failure:
        raise BadRequest(
            f"there is a cluster in {file.parent} already; "
            f"open it with Cluster.from_yaml({str(file)!r})"
        ) from failure
    undo.callback(file.unlink, missing_ok=True)
    with stream:
        stream.write(octets)
    return file


def _remove_empty(directory: Path) -> None:
    # Somebody else may have put something into it meanwhile.
    with contextlib.suppress(OSError):
        directory.rmdir()


@contextlib.contextmanager
def _system_failures(directory: Path | None) -> Iterator[None]:
    """Says of which path the system refused what. Raises SystemFailure."""
    try:
        yield
    except SystemFailure:
        raise
    except OSError as failure:
        where = failure.filename or directory or tempfile.gettempdir()
        raise SystemFailure(
            f"cannot make a cluster in {directory or 'a temporary directory'}: "
            f"{where}: {failure.strerror or failure}"
        ) from failure
    except ValueError as failure:  # an octet 0
        raise BadRequest(f"cannot make a cluster in {str(directory)!r}: {failure}") from failure
