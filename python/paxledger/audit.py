"""Reads and verifies the chain of a Paxledger node without any of Paxledger's code.

    python3 audit.py DIR [--cluster NAME] [--head HEX] [--checkpoint TEXT] [--list]

DIR is the data directory of a node (it holds `blocks/`) or of a cluster (it holds `node-1/`,
`node-2/`, …). Each block file is read byte by byte: frames and checksums, block layout, ops root,
proof of work, links, timestamps. The first problem of each file is printed with file, offset and
height, and the chains of several nodes are compared with each other. The exit code is 0 if all is
well, 1 if something is wrong, and 2 if there was nothing to read.

This is a second implementation of docs/reference/chain-format.md, on purpose: it needs nothing but
Python's standard library, so that an auditor can read all of it. Nothing is ever written.
"""

from __future__ import annotations

import argparse
import array
import hashlib
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

HEADER = struct.Struct("<HBBIQQQ32s32s")
FORMAT_VERSION = 1
WORK_BITS_MAX = 24

COMMAND = struct.Struct("<BBHIQQQQ")
KINDS = ("open_session", "close_session", "put", "remove", "read", "compare_and_put")
KEY_BYTES_MAX = 4096
VALUE_BYTES_MAX = 1 << 20

FILE_HEADER = struct.Struct("<4sHHQQ32sI")
FRAME_HEADER = struct.Struct("<4sIQII")
FILE_NAME = re.compile(r"[0-9]{20}\.blocks")
SECTOR_BYTES = 512
BLOCK_BYTES_MAX = 1 << 28


class Damage(Exception):
    """Octets that are not what the format says. `offset` counts from where reading began."""

    def __init__(self, text: str, offset: int = 0, height: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.offset = offset
        self.height = height


# ---- hashes


def tagged_sha256(domain: str, *parts: bytes) -> bytes:
    """SHA-256 over domain, a zero octet, and the parts."""
    return hashlib.sha256(b"\0".join((domain.encode("ascii"), b"".join(parts)))).digest()


def cluster_id(name: str) -> int:
    """The id of the cluster that is called `name` in cluster.yaml.

    >>> hex(cluster_id("demo"))
    '0x99ebf414fd492603'
    """
    return int.from_bytes(tagged_sha256("paxledger/cluster/1", name.encode())[:8], "little")


def genesis(cluster: int) -> bytes:
    """What block 1 of a cluster names as the hash of the block before."""
    return tagged_sha256("paxledger/genesis/1", cluster.to_bytes(8, "little"))


def has_work(ops_root: bytes, nonce: int, work_bits: int) -> bool:
    """Whether the work hash of `nonce` starts with `work_bits` zero bits."""
    work = tagged_sha256("paxledger/work/1", ops_root, nonce.to_bytes(8, "little"))
    return work_bits == 0 or int.from_bytes(work, "big") >> (256 - work_bits) == 0


# ---- Merkle trees (RFC 6962, RFC 9162)


def merkle_leaf(entry: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def merkle_node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes (RFC 6962 §2.1).

    >>> merkle_root([]).hex()[:16]
    'e3b0c44298fc1c14'
    """
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    # Level by level; a hash without a sibling moves up as it is, which gives the tree of the RFC.
    while len(level) > 1:
        above = [merkle_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2 == 1:
            above.append(level[-1])
        level = above
    return level[0]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether `proof` shows `leaf` to be number `index` of `size` under `root`."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node % 2 == 1 or node == last:
            found = merkle_node(sibling, found)
            while node % 2 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            found = merkle_node(found, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows the old tree to be the beginning of the new one."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == merkle_root([])
    rest = list(proof)
    node, last = old_size - 1, new_size - 1
    while node % 2 == 1:
        node, last = node >> 1, last >> 1
    if old_size & (old_size - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    old = new = rest.pop(0)
    for sibling in rest:
        if last == 0:
            return False
        if node % 2 == 1 or node == last:
            old, new = merkle_node(sibling, old), merkle_node(sibling, new)
            while node % 2 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            new = merkle_node(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


# ---- blocks


@dataclass(frozen=True)
class Block:
    """A block that passed every check that needs no other block."""

    work_bits: int
    height: int
    timestamp: int  # microseconds since 1970-01-01T00:00Z
    nonce: int
    previous: bytes
    ops_root: bytes
    hash: bytes
    commands: tuple[bytes, ...]


def split_ops(ops: bytes, op_count: int) -> tuple[bytes, ...]:
    """The commands of an ops section. Raises Damage, its offset counted within the section."""
    commands = []
    at = 0
    for op in range(op_count):
        if len(ops) - at < 4:
            raise Damage(f"the ops end within the length of op {op}", at)
        length = int.from_bytes(ops[at : at + 4], "little")
        if length > len(ops) - at - 4:
            raise Damage(f"the ops end within op {op} of {length} octets", at)
        commands.append(ops[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(ops):
        raise Damage(f"{len(ops) - at} octets follow the last op", at)
    return tuple(commands)


def decode_block(octets: bytes) -> Block:
    """Reads a block and checks all that can be checked from it alone. Raises Damage."""
    if len(octets) < HEADER.size:
        raise Damage(f"a block of {len(octets)} octets, expected at least {HEADER.size}")
    version, work_bits, reserved, op_count, height, timestamp, nonce, previous, ops_root = (
        HEADER.unpack_from(octets)
    )
    if version != FORMAT_VERSION:
        raise Damage(f"block format version {version}, expected {FORMAT_VERSION}", 0, height)
    if reserved != 0:
        raise Damage("the reserved octet of the block header is not zero", 3, height)
    if height == 0:
        raise Damage("height 0 is genesis, not a block", 8)
    if work_bits > WORK_BITS_MAX:
        raise Damage(f"{work_bits} bits of work, expected at most {WORK_BITS_MAX}", 2, height)
    try:
        commands = split_ops(octets[HEADER.size :], op_count)
    except Damage as damage:
        raise Damage(damage.text, HEADER.size + damage.offset, height) from None
    root = merkle_root([merkle_leaf(command) for command in commands])
    if root != ops_root:
        raise Damage(f"ops root {root.hex()}, the header says {ops_root.hex()}", 64, height)
    if not has_work(ops_root, nonce, work_bits):
        raise Damage(f"nonce {nonce} does not do the work of {work_bits} bits", 24, height)
    block_hash = tagged_sha256("paxledger/block/1", octets[: HEADER.size])
    return Block(work_bits, height, timestamp, nonce, previous, ops_root, block_hash, commands)


@dataclass(frozen=True)
class Head:
    """The end of a chain: what the next block has to link to."""

    height: int
    hash: bytes
    timestamp: int = 0

    def then(self, block: Block) -> Head:
        """The head after `block`. Raises Damage if it does not link to this one."""
        if block.height != self.height + 1:
            raise Damage(f"height {block.height}, expected {self.height + 1}", 8, self.height + 1)
        if block.previous != self.hash:
            raise Damage(
                f"links to {block.previous.hex()}, the block before has hash {self.hash.hex()}",
                32,
                block.height,
            )
        if block.timestamp < self.timestamp:
            raise Damage(
                f"timestamp {block.timestamp} is below that of the block before, {self.timestamp}",
                16,
                block.height,
            )
        return Head(block.height, block.hash, block.timestamp)


# ---- commands


@dataclass(frozen=True)
class Command:
    """An operation as a client asked for it."""

    kind: str
    session: int
    sequence: int
    acknowledged: int
    argument: int
    key: bytes
    value: bytes


def parse_command(octets: bytes) -> Command:
    """Reads a command. Raises ValueError: "bad request" or "too large", as the database says."""
    if len(octets) < COMMAND.size:
        raise ValueError("bad request")
    version, kind, key_length, value_length, session, sequence, acknowledged, argument = (
        COMMAND.unpack_from(octets)
    )
    if version != 1 or not 1 <= kind <= len(KINDS):
        raise ValueError("bad request")
    if len(octets) != COMMAND.size + key_length + value_length:
        raise ValueError("bad request")
    if key_length > KEY_BYTES_MAX or value_length > VALUE_BYTES_MAX:
        raise ValueError("too large")
    name = KINDS[kind - 1]
    in_order = sequence == acknowledged == 0 if kind == 1 else acknowledged < sequence
    has_key = (key_length > 0) == (kind > 2)
    has_value = value_length == 0 or name in ("put", "compare_and_put")
    has_argument = argument == 0 or name in ("open_session", "compare_and_put")
    if session == 0 or not (in_order and has_key and has_value and has_argument):
        raise ValueError("bad request")
    key = octets[COMMAND.size : COMMAND.size + key_length]
    value = octets[COMMAND.size + key_length :]
    return Command(name, session, sequence, acknowledged, argument, key, value)


# ---- CRC-32C (Castagnoli), reflected, two octets at a step


def _crc_table() -> list[int]:
    octet_table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        octet_table.append(crc)
    # What two octets do to a register that held nothing else: the lower one passes twice.
    once = [octet_table[low] for low in range(256)]
    return [
        octet_table[(once[pair & 0xFF] ^ (pair >> 8)) & 0xFF] ^ (once[pair & 0xFF] >> 8)
        for pair in range(65536)
    ]


_CRC_OF_TWO = _crc_table()


def crc32c(octets: bytes) -> int:
    """The checksum of every frame on disk (RFC 3720).

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table = _CRC_OF_TWO
    even = len(octets) & ~1
    pairs = array.array("H", octets[:even])
    if sys.byteorder == "big":
        pairs.byteswap()
    crc = 0xFFFFFFFF
    for pair in pairs:
        crc = table[(crc ^ pair) & 0xFFFF] ^ (crc >> 16)
    for octet in octets[even:]:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# ---- block files


class BrokenFrame(Damage):
    """A frame or file header that is not whole, or whose checksums are wrong."""

    def __init__(self, text: str, offset: int, frame: int, height: int = 0) -> None:
        super().__init__(text, offset, height)
        self.frame = frame  # where the frame starts in the file


@dataclass(frozen=True)
class FileHeader:
    """What a block file says about itself."""

    cluster: int
    first_height: int
    previous: bytes  # hash of the block before the first one, or genesis


def read_file_header(file: BinaryIO) -> FileHeader:
    """Reads the header that a block file starts with. Raises BrokenFrame, or Damage."""
    octets = file.read(FILE_HEADER.size)
    if len(octets) < FILE_HEADER.size:
        raise BrokenFrame(f"a file of {len(octets)} octets, not even a whole header", 0, 0)
    magic, version, reserved, cluster, first, previous, crc = FILE_HEADER.unpack(octets)
    if magic != b"PXLK":
        raise BrokenFrame(f"begins with {magic!r}, expected b'PXLK'", 0, 0)
    if crc != crc32c(octets[:-4]):
        raise BrokenFrame("the checksum of the file header is wrong", FILE_HEADER.size - 4, 0)
    if version != 1 or reserved != 0:
        raise Damage(f"block file format version {version}.{reserved}, expected 1.0", 4)
    return FileHeader(cluster, first, previous)


def read_frames(file: BinaryIO, size: int) -> Iterator[tuple[int, int, bytes]]:
    """The frames from here to `size`: offset, height and octets of the block.

    Raises BrokenFrame, its offset counted in the file.
    """
    offset = file.tell()
    while offset < size:
        octets = file.read(FRAME_HEADER.size)
        if len(octets) < FRAME_HEADER.size:
            raise BrokenFrame("the file ends within the header of a frame", offset, offset)
        magic, length, height, block_crc, header_crc = FRAME_HEADER.unpack(octets)
        if magic != b"PXLF":
            raise BrokenFrame(f"a frame begins with {magic!r}, expected b'PXLF'", offset, offset)
        if header_crc != crc32c(octets[:-4]):
            raise BrokenFrame("the checksum of a frame's header is wrong", offset + 20, offset)
        if length > BLOCK_BYTES_MAX:
            text = f"a block of {length} octets, at most {BLOCK_BYTES_MAX}"
            raise BrokenFrame(text, offset + 4, offset, height)
        block = file.read(length)
        if len(block) < length:
            raise BrokenFrame("the file ends within a frame", offset, offset, height)
        if block_crc != crc32c(block):
            at = offset + FRAME_HEADER.size
            raise BrokenFrame("the checksum of a block is wrong", at, offset, height)
        yield offset, height, block
        offset += FRAME_HEADER.size + length


def is_interrupted_write(octets: bytes, offset: int) -> bool:
    """Whether a broken frame may be a write that never completed.

    `octets` are those from the frame to the end of the last file, `offset` is where they start in
    it. Such a write leaves the file too short, or a disk sector zero; and nothing whole follows.
    A changed last block that passes for one hides nothing: who can change it can cut it off.
    """
    for found in re.finditer(b"PXLF", octets[1:]):
        header = octets[found.start() + 1 :][: FRAME_HEADER.size]
        if len(header) == FRAME_HEADER.size:
            (crc,) = struct.unpack("<I", header[-4:])
            if crc == crc32c(header[:-4]):
                return False
    header = octets[: FRAME_HEADER.size]
    if len(header) < FRAME_HEADER.size:
        return True
    magic, length, _, _, crc = FRAME_HEADER.unpack(header)
    if crc == crc32c(header[:-4]) and magic == b"PXLF" and FRAME_HEADER.size + length > len(octets):
        return True
    at = 0
    while at < len(octets):
        until = at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES
        if not any(octets[at:until]):
            return True
        at = until
    return False


# ---- nodes


@dataclass(frozen=True)
class Problem:
    """Something that is not what was written."""

    path: Path
    offset: int
    height: int  # 0 where it is not about a block
    text: str

    def __str__(self) -> str:
        at_height = f"height {self.height}: " if self.height else ""
        return f"{self.path}: offset {self.offset}: {at_height}{self.text}"


@dataclass
class NodeAudit:
    """What was found in the data directory of one node."""

    path: Path
    cluster: int | None = None
    files: int = 0
    blocks: int = 0  # intact ones
    octets: int = 0
    head: Head | None = None  # the end of the last file if that is intact, else None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hashes: dict[int, bytes] = field(default_factory=dict)  # by height, of intact blocks

    def show(self, block: Block) -> None:
        """Is called with every intact block in order; a subclass may look at it."""


def _audit_frames(
    audit: NodeAudit, path: Path, file: BinaryIO, head: Head, is_last: bool
) -> Head | None:
    """Checks the frames of a file on top of `head`. Gives the new head; None after a problem."""
    try:
        for offset, height, octets in read_frames(file, path.stat().st_size):
            try:
                block = decode_block(octets)
                head = head.then(block)
            except Damage as damage:
                damage.offset += offset + FRAME_HEADER.size
                raise
            if height != block.height:
                text = f"the frame says height {height}, its block {block.height}"
                raise Damage(text, offset + 8, block.height)
            audit.blocks += 1
            audit.hashes[block.height] = block.hash
            audit.show(block)
    except Damage as damage:
        if is_last and isinstance(damage, BrokenFrame):
            file.seek(damage.frame)
            if is_interrupted_write(file.read(), damage.frame):
                audit.notes.append(f"{path}: offset {damage.frame}: the last write was interrupted")
                return head
        # What a broken block says of its own height proves nothing; its place does.
        height = head.height + 1
        audit.problems.append(Problem(path, damage.offset, height, damage.text))
        return None
    return head


def _audit_file(audit: NodeAudit, path: Path, head: Head | None, is_last: bool) -> Head | None:
    """Checks one block file that should go on from `head`, which is None after a problem."""
    with path.open("rb") as file:
        try:
            header = read_file_header(file)
            if audit.cluster is None:
                audit.cluster = header.cluster
            if header.cluster != audit.cluster:
                text = f"of cluster {header.cluster:016x}, expected {audit.cluster:016x}"
                raise Damage(text, 8)
            if path.name != f"{header.first_height:020d}.blocks":
                raise Damage(f"begins with height {header.first_height}, unlike its name", 16)
            before = Head(header.first_height - 1, header.previous)
            if head is None and before.height == 0:
                head = Head(0, genesis(audit.cluster))
            if head is not None and before.height != head.height:
                text = f"begins with height {header.first_height}, expected {head.height + 1}"
                raise Damage(text, 16)
            if head is not None and before.hash != head.hash:
                text = f"goes on from {before.hash.hex()}, the block before is {head.hash.hex()}"
                raise Damage(text, 24)
        except Damage as damage:
            if is_last and head is not None and isinstance(damage, BrokenFrame):
                file.seek(0)
                octets = file.read()
                if len(octets) < FILE_HEADER.size or is_interrupted_write(octets, 0):
                    audit.notes.append(f"{path}: offset 0: the last write was interrupted")
                    return head
            height = head.height + 1 if head is not None else 0
            audit.problems.append(Problem(path, damage.offset, height, damage.text))
            return None
        return _audit_frames(audit, path, file, head or before, is_last)


def _audit_identity(audit: NodeAudit) -> None:
    """Reads the cluster's id from `identity`, where there is that file."""
    path = audit.path / "identity"
    if not path.exists():
        return
    octets = path.read_bytes()
    lines, last = octets[: octets.rfind(b"\n", 0, -1) + 1], octets.split(b"\n")[-2:-1]
    if last != [f"crc32c {crc32c(lines):08x}".encode()] or not octets.endswith(b"\n"):
        audit.problems.append(Problem(path, 0, 0, "the checksum of the identity is wrong"))
        return
    found = re.search(rb"^cluster-id ([0-9a-f]{16})$", lines, re.MULTILINE)
    if found is None:
        audit.problems.append(Problem(path, 0, 0, "the identity names no cluster"))
        return
    cluster = int(found[1], 16)
    if audit.cluster is not None and audit.cluster != cluster:
        text = f"of cluster {cluster:016x}, expected {audit.cluster:016x}"
        audit.problems.append(Problem(path, found.start(1), 0, text))
        return
    audit.cluster = cluster


def audit_node(path: Path, cluster: int | None = None, audit: NodeAudit | None = None) -> NodeAudit:
    """Checks the data directory of one node; `cluster` is the id that it has to be of.

    What is checked, and in which order: docs/reference/chain-format.md, "How to verify". Reads
    only; OSError where the system does not let it.
    """
    audit = audit or NodeAudit(path)
    audit.cluster = cluster
    _audit_identity(audit)
    names = sorted(entry.name for entry in (path / "blocks").iterdir())
    files = [path / "blocks" / name for name in names if FILE_NAME.fullmatch(name)]
    strange = [name for name in names if not FILE_NAME.fullmatch(name)]
    audit.notes.extend(f"{path / 'blocks' / name}: not a block file" for name in strange)

    head = Head(0, genesis(audit.cluster)) if audit.cluster is not None else None
    if files and head is None and int(files[0].stem) != 1:
        text = f"the chain begins with height {int(files[0].stem)}, expected 1"
        audit.problems.append(Problem(files[0], 16, 0, text))
    for file in files:
        head = _audit_file(audit, file, head, is_last=file == files[-1])
        audit.files += 1
        audit.octets += file.stat().st_size
    audit.head = head
    return audit


def find_nodes(directory: Path) -> list[Path]:
    """The data directories of nodes: `directory` itself, or the `node-N` in it."""
    if (directory / "blocks").is_dir():
        return [directory]
    nodes = [path for path in directory.glob("node-*") if (path / "blocks").is_dir()]
    return sorted(nodes, key=lambda path: (len(path.name), path.name))


def compare_nodes(audits: Sequence[NodeAudit]) -> list[Problem]:
    """Where the chain of a node first differs from that of the nodes before it."""
    agreed: dict[int, tuple[bytes, Path]] = {}
    problems = []
    for audit in audits:
        for height in sorted(audit.hashes):
            found = audit.hashes[height]
            known, where = agreed.setdefault(height, (found, audit.path))
            if known != found:
                text = f"hash {found.hex()}, but {where} has {known.hex()}"
                problems.append(Problem(audit.path, 0, height, text))
                break
    return problems


def check_checkpoint(audits: Sequence[NodeAudit], text: str) -> str | None:
    """Whether the chains agree with a checkpoint, given as its text; if not, why."""
    found = re.fullmatch(
        r"paxledger/checkpoint/1 ([0-9a-f]{16}) (0|[1-9][0-9]*) ([0-9a-f]{64})", text.strip()
    )
    if found is None:
        return "this is no checkpoint of version 1"
    cluster, height, head = int(found[1], 16), int(found[2]), bytes.fromhex(found[3])
    if any(audit.cluster not in (None, cluster) for audit in audits):
        return f"the checkpoint is of cluster {cluster:016x}"
    if height == 0:
        return None if head == genesis(cluster) else "the checkpoint has a wrong genesis"
    hashes = {audit.path: audit.hashes[height] for audit in audits if height in audit.hashes}
    if not hashes:
        return f"no node has an intact block {height}"
    for path, found_hash in hashes.items():
        if found_hash != head:
            return f"{path} has {found_hash.hex()} at height {height}, expected {head.hex()}"
    return None


# ---- the command line


class _Shown(NodeAudit):
    """Prints blocks if `listing` is set, and progress if somebody watches a terminal."""

    listing = False
    _octets_shown = 0

    def show(self, block: Block) -> None:
        """Prints a block: height, hash, link, nonce, and its operations."""
        self._octets_shown += sum(map(len, block.commands))
        if not self.listing:
            if block.height % 1000 == 0 and sys.stderr.isatty():
                megabytes = self._octets_shown / 1e6
                text = f"\r{self.path}: height {block.height}, {megabytes:.0f} MB of commands "
                print(text, end="", file=sys.stderr, flush=True)
            return
        print(f"{block.height} {block.hash.hex()}")
        print(f"    previous {block.previous.hex()} timestamp {block.timestamp}", end=" ")
        print(f"nonce {block.nonce} work_bits {block.work_bits}")
        for octets in block.commands:
            try:
                command = parse_command(octets)
            except ValueError as error:
                print(f"    {error}: {octets[:64]!r}")
                continue
            print(f"    {command.kind} {command.key[:64]!r} {command.value[:64]!r}", end=" ")
            print(f"session {command.session:016x} sequence {command.sequence}")


def _report(audit: NodeAudit) -> None:
    for problem in audit.problems:
        print(f"PROBLEM {problem}")
    for note in audit.notes:
        print(f"note    {note}")
    if audit.head is None and audit.problems:
        state = "head unknown"
    else:
        head = audit.head or Head(0, b"")
        state = f"height {head.height} head {head.hash.hex()}"
    verdict = "DAMAGED" if audit.problems else "intact"
    print(f"{audit.path}: {state}, {audit.blocks} blocks in {audit.files} files: {verdict}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="audit.py", description="Verifies the chain of Paxledger nodes, byte by byte."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="of a node or of a cluster")
    parser.add_argument("--cluster", metavar="NAME", help="the cluster that it has to be")
    parser.add_argument("--head", metavar="HEX", help="a block hash that has to be in the chain")
    parser.add_argument("--checkpoint", metavar="TEXT", help="a checkpoint that has to hold")
    parser.add_argument("--list", action="store_true", help="print the blocks as well")
    options = parser.parse_args(arguments)

    nodes = find_nodes(options.directory)
    if not nodes:
        print(f"{options.directory}: no blocks/ and no node-*/blocks/ in it", file=sys.stderr)
        return 2
    cluster = None if options.cluster is None else cluster_id(options.cluster)
    audits = []
    for node in nodes:
        shown = _Shown(node)
        shown.listing = options.list
        try:
            audits.append(audit_node(node, cluster, shown))
        except OSError as error:
            print(f"{node}: {error}", file=sys.stderr)
            return 2
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        _report(audits[-1])

    complaints = [str(problem) for problem in compare_nodes(audits)]
    if options.head is not None:
        wanted = options.head.lower()
        if not any(found.hex() == wanted for audit in audits for found in audit.hashes.values()):
            complaints.append(f"no node has an intact block with the hash {wanted}")
    if options.checkpoint is not None:
        complaint = check_checkpoint(audits, options.checkpoint)
        complaints.extend([] if complaint is None else [complaint])
    for complaint in complaints:
        print(f"PROBLEM {complaint}")
    return 1 if complaints or any(audit.problems for audit in audits) else 0


if __name__ == "__main__":
    sys.exit(main())
