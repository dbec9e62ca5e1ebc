"""Writes the cluster.yaml of a cluster that is made on the spot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from paxledger.errors import BadRequest


def write(
    directory: Path,
    *,
    ports: Iterable[tuple[int, int, int]],
    name: str,
    fault_injection: bool,
    heartbeat: float,
    election_timeout: float,
    work_bits: int,
) -> Path:
    """Writes cluster.yaml into a directory, which is made if need be, and returns its path.

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
        TypeError: A name that is no text, or work_bits that are no number.
    """
    if not isinstance(name, str):
        raise TypeError(f"name is a str, not {name!r}")
    if isinstance(work_bits, bool) or not isinstance(work_bits, int):
        raise TypeError(f"work_bits is a whole number, not {work_bits!r}")
    directory.mkdir(parents=True, exist_ok=True)
    file = directory.resolve() / "cluster.yaml"
    if file.exists():
        raise BadRequest(
            f"there is a cluster in {file.parent} already; open it with Cluster.from_yaml('{file}')"
        )
    nodes = "".join(
        f'  - {{id: {node}, peer: "tcp://127.0.0.1:{peer}", client: "tcp://127.0.0.1:{client}", '
        f'http: "127.0.0.1:{http}"}}\n'
        for node, (peer, client, http) in enumerate(ports, 1)
    )
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    file.write_text(
        f"cluster: {quoted}\n"
        "data_dir: data\n"
        f"nodes:\n{nodes}"
        f"timing: {{heartbeat: {heartbeat * 1e6:.0f}us, "
        f"election_timeout: {election_timeout * 1e6:.0f}us}}\n"
        f"ledger: {{work_bits: {work_bits}}}\n"
        f"fault_injection: {'true' if fault_injection else 'false'}\n",
        encoding="utf-8",
    )
    return file
