"""Reads the chain as an auditor does, and finds a byte that someone has changed on a disk.

    python chain_audit.py

First a client checks the chain as the nodes give it out. Then the nodes are stopped, and the files
of one of them are changed by a single bit; paxledger.audit, which needs nothing but Python's
standard library, says where.
"""

from __future__ import annotations

from pathlib import Path

import paxledger
from paxledger import audit


def show(block: audit.Block) -> None:
    """Prints a block as one line: its height, its hash, and the pointer to the one before."""
    commands = [audit.parse_command(command) for command in block.commands]
    words = [f"{command.kind} {command.key.decode()}".strip() for command in commands]
    words = words or ["nothing: a new leader closes what the last one left open"]
    pointer = f"{block.previous.hex()[:12]} <- {block.hash.hex()[:12]}"
    print(f"  {block.height:3}  {pointer}  {', '.join(words)}")


def write_and_read(cluster: paxledger.Cluster) -> bytes:
    """Makes some history and checks it; gives the hash of its last block."""
    with cluster.client(codec="str") as db:
        for name, number in (("alice", "555-0100"), ("bob", "555-0199"), ("alice", "555-0142")):
            db.put(name, number)
        db.delete("bob")
        print("the chain, oldest block first:")
        head = b""
        # Every block was checked before it is yielded: its own hash, and the link to the last one.
        for block in db.chain():
            show(block)
            head = block.hash
    if not cluster.in_sync(timeout=10):
        raise SystemExit("the nodes have different chains")
    print("all nodes have the same chain")
    return head


def change_one_bit(directory: Path) -> Path:
    """Flips the lowest bit of a byte in the middle of a node's newest block file."""
    file = sorted((directory / "blocks").glob("*.blocks"))[-1]
    content = bytearray(file.read_bytes())
    content[content.index(b"555-0199")] ^= 1
    file.write_bytes(content)
    return file


def main() -> None:
    """Writes, audits, forges, audits again."""
    with paxledger.Cluster.local(nodes=3) as cluster:
        head = write_and_read(cluster)
        directory = cluster.node(2).directory
        cluster.stop()

        arguments = [str(directory), "--cluster", cluster.name, "--head", head.hex()]
        print("\nthe audit of node 2:")
        if audit.main(arguments) != 0:
            raise SystemExit("the audit found something in an honest chain")

        file = change_one_bit(directory)
        print(f"\none bit of {file.name} is changed; the audit of node 2:")
        if audit.main(arguments) == 0:
            raise SystemExit("the audit did not find the changed bit")


if __name__ == "__main__":
    main()
