"""The files of a stopped node as octets: where things stand in them, damaging and forging them.

Written after docs/reference/chain-format.md and log-format.md; nothing of Paxledger is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

SECTOR = 512
FILE_HEADER = 60
FRAME_HEADER = 24
BLOCK_HEADER = 96
COMMAND_HEADER = 40


@dataclasses.dataclass(frozen=True)
class Frame:
    """One block in a block file."""

    file: Path
    offset: int
    height: int
    block: bytes

    @property
    def end(self) -> int:
        return self.offset + FRAME_HEADER + len(self.block)


def frames(directory: Path) -> list[Frame]:
    """All blocks of a node, in height order."""
    found = []
    for file in sorted((directory / "blocks").glob("*.blocks")):
        octets = file.read_bytes()
        offset = FILE_HEADER
        while offset < len(octets):
            magic, length, height = struct.unpack_from("<4sIQ", octets, offset)
            assert magic == b"PXLF", (file, offset)
            start = offset + FRAME_HEADER
            found.append(Frame(file, offset, height, octets[start : start + length]))
            offset = start + length
    return found


@dataclasses.dataclass(frozen=True)
class Batch:
    """One batch of the log."""

    file: Path
    offset: int
    kind: int
    sequence: int
    payload_bytes: int


def batches(file: Path) -> list[Batch]:
    """The batches of one log segment, up to the sectors that were never written."""
    found = []
    octets = file.read_bytes()
    offset = 0
    while octets[offset : offset + 4] == b"PXLB":
        kind, length, sequence = struct.unpack_from("<4xB3xIQ", octets, offset)
        found.append(Batch(file, offset, kind, sequence, length))
        offset += -(-(28 + length) // (SECTOR - 1)) * SECTOR
    return found


def synced_height(directory: Path) -> int:
    """The height up to which the log says that the block files were synced."""
    height = 0
    for file in sorted((directory / "log").glob("*.log")):
        octets = file.read_bytes()
        for batch in batches(file):
            # What stands within the first sector is in one piece.
            payload = octets[batch.offset + 28 : batch.offset + SECTOR - 1]
            if batch.kind == 1:
                height = max(height, struct.unpack_from("<Q", payload, 40)[0])
            elif batch.kind == 3:
                height = max(height, struct.unpack_from("<Q", payload, 16)[0])
    return height


def lose_unsynced_blocks(directory: Path) -> int:
    """What a power loss may do to the block files of a killed node. Gives the blocks lost."""
    synced = synced_height(directory)
    lost = [frame for frame in frames(directory) if frame.height > synced]
    for frame in reversed(lost):
        os.truncate(frame.file, frame.offset)
        if frame.offset == FILE_HEADER:
            frame.file.unlink()
    return len(lost)


def flip(file: Path, offset: int) -> None:
    """Changes one byte."""
    with file.open("r+b") as stream:
        stream.seek(offset)
        (octet,) = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([octet ^ 0x41]))


# --- forging


def _crc32c_table() -> list[int]:
    table = []
    for octet in range(256):
        for _ in range(8):
            octet = (octet >> 1) ^ (0x82F63B78 if octet & 1 else 0)
        table.append(octet)
    return table


_TABLE = _crc32c_table()


def crc32c(octets: bytes) -> int:
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = (crc >> 8) ^ _TABLE[(crc ^ octet) & 0xFF]
    return crc ^ 0xFFFFFFFF


def merkle_root(entries: list[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    halves = merkle_root(entries[:split]) + merkle_root(entries[split:])
    return hashlib.sha256(b"\x01" + halves).digest()


def block_hash(block: bytes) -> bytes:
    return hashlib.sha256(b"paxledger/block/1\x00" + block[:BLOCK_HEADER]).digest()


def commands(block: bytes) -> list[bytes]:
    found = []
    offset = BLOCK_HEADER
    while offset < len(block):
        (length,) = struct.unpack_from("<I", block, offset)
        found.append(block[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return found


def rebuild(block: bytes, previous: bytes, entries: list[bytes]) -> bytes:
    """The block with other commands and another block before it, consistent in itself."""
    head = block[:4] + struct.pack("<I", len(entries)) + block[8:32] + previous
    ops = b"".join(struct.pack("<I", len(entry)) + entry for entry in entries)
    return head + merkle_root(entries) + ops


def forge(directory: Path, change: Callable[[bytes], bytes]) -> int:
    """Rewrites the history of a stopped node: each command becomes what `change` makes of it.

    All hashes, links and checksums are made right again. Gives the height of the first block that
    is different now. `change` must keep the length of the command.
    """
    first_changed = 0
    previous: bytes | None = None
    for frame in frames(directory):
        entries = commands(frame.block)
        changed = [change(entry) for entry in entries]
        assert [len(entry) for entry in changed] == [len(entry) for entry in entries]
        if previous is None:
            previous = frame.block[32:64]
        block = rebuild(frame.block, previous, changed)
        previous = block_hash(block)
        if block == frame.block:
            continue
        first_changed = first_changed or frame.height
        head = struct.pack("<4sIQI", b"PXLF", len(block), frame.height, crc32c(block))
        with frame.file.open("r+b") as stream:
            stream.seek(frame.offset)
            stream.write(head + struct.pack("<I", crc32c(head)) + block)
    _renew_file_headers(directory)
    return first_changed


def _renew_file_headers(directory: Path) -> None:
    hashes = {frame.height: block_hash(frame.block) for frame in frames(directory)}
    for file in sorted((directory / "blocks").glob("*.blocks")):
        head = bytearray(file.read_bytes()[: FILE_HEADER - 4])
        (first,) = struct.unpack_from("<Q", head, 16)
        if first > 1:
            head[24:56] = hashes[first - 1]
        with file.open("r+b") as stream:
            stream.write(bytes(head) + struct.pack("<I", crc32c(bytes(head))))
