"""The auditor: a second implementation of the chain, held against the vectors that C++ makes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AUDIT = ROOT / "python" / "paxledger" / "audit.py"


def load_audit() -> ModuleType:
    """The file alone, as an auditor has it, without the package around it."""
    spec = importlib.util.spec_from_file_location("paxledger_audit", AUDIT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


audit = load_audit()


def vectors(name: str) -> Any:
    return json.loads((ROOT / "tests" / "vectors" / f"{name}.json").read_text())


LEDGER = vectors("ledger")
FILES = vectors("block_files")
CLUSTER: str = FILES["cluster"]


def write_node(directory: Path, files: list[tuple[str, bytes]] | None = None) -> Path:
    """A node's directory with these block files; those of the vectors if not given."""
    blocks = directory / "blocks"
    blocks.mkdir(parents=True, exist_ok=True)
    for old in blocks.iterdir():
        old.unlink()
    for name, octets in vector_files() if files is None else files:
        (blocks / name).write_bytes(octets)
    return directory


def vector_files() -> list[tuple[str, bytes]]:
    return [(file["name"], bytes.fromhex(file["octets"])) for file in FILES["files"]]


def audited(directory: Path) -> Any:
    return audit.audit_node(directory, audit.cluster_id(CLUSTER))


def frame_ends(octets: bytes) -> list[int]:
    """Where a block file may end between frames: after its header and after each frame."""
    ends = [60]
    while ends[-1] < len(octets):
        (length,) = struct.unpack_from("<I", octets, ends[-1] + 4)
        ends.append(ends[-1] + 24 + length)
    return ends


def framed(block: bytes, height: int) -> bytes:
    """A frame with right checksums, as somebody would write it who knows the format."""
    header = struct.pack("<4sIQI", b"PXLF", len(block), height, audit.crc32c(block))
    return header + struct.pack("<I", audit.crc32c(header)) + block


def forged(files: list[tuple[str, bytes]], wanted: int, block: bytes) -> list[tuple[str, bytes]]:
    """The files with the block at one height replaced and every checksum made right."""
    result = []
    for name, octets in files:
        ends = frame_ends(octets)
        parts = [octets[:60]]
        for start, end in zip(ends, ends[1:], strict=False):
            (height,) = struct.unpack_from("<Q", octets, start + 8)
            parts.append(framed(block, height) if height == wanted else octets[start:end])
        result.append((name, b"".join(parts)))
    return result


def block_at(wanted: int) -> bytes:
    for _, octets in vector_files():
        ends = frame_ends(octets)
        for start, end in zip(ends, ends[1:], strict=False):
            if struct.unpack_from("<Q", octets, start + 8) == (wanted,):
                return octets[start + 24 : end]
    raise AssertionError(f"no block {wanted} in the vectors")


def sealed(header: dict[str, int], previous: bytes, commands: list[bytes]) -> bytes:
    """A block whose header and ops belong together."""
    root = audit.merkle_root([audit.merkle_leaf(command) for command in commands])
    nonce = 0
    while not audit.has_work(root, nonce, header.get("work_bits", 0)):
        nonce += 1
    octets = audit.HEADER.pack(
        1, header.get("work_bits", 0), 0, len(commands), header["height"], header["timestamp"],
        nonce, previous, root,
    )  # fmt: skip
    return bytes(octets) + b"".join(struct.pack("<I", len(c)) + c for c in commands)


# ---- the formats


def test_clusters_have_the_ids_and_genesis_of_the_vectors() -> None:
    for vector in LEDGER["clusters"]:
        assert audit.cluster_id(vector["name"]) == vector["cluster_id"]
        assert audit.genesis(vector["cluster_id"]).hex() == vector["genesis"]


def test_headers_have_the_octets_and_hashes_of_the_vectors() -> None:
    for vector in LEDGER["headers"]:
        octets = audit.HEADER.pack(
            vector["format_version"], vector["work_bits"], 0, vector["op_count"],
            vector["height"], vector["timestamp"], vector["nonce"],
            bytes.fromhex(vector["previous"]), bytes.fromhex(vector["ops_root"]),
        )  # fmt: skip
        assert octets.hex() == vector["octets"]
        assert audit.tagged_sha256("paxledger/block/1", octets).hex() == vector["hash"]


def test_nonces_do_the_work_of_the_vectors_and_no_smaller_one_does() -> None:
    for vector in LEDGER["work"]:
        root, bits = bytes.fromhex(vector["ops_root"]), vector["work_bits"]
        assert audit.has_work(root, vector["nonce"], bits)
        smaller = range(max(0, vector["nonce"] - 500), vector["nonce"])
        assert not any(audit.has_work(root, nonce, bits) for nonce in smaller)


def test_merkle_roots_and_proofs_are_those_of_the_vectors() -> None:
    merkle = LEDGER["merkle"]
    leaves = [audit.merkle_leaf(bytes.fromhex(entry)) for entry in merkle["entries"]]
    roots = [bytes.fromhex(root) for root in merkle["roots"]]
    assert [audit.merkle_root(leaves[:size]) for size in range(len(roots))] == roots
    for vector in merkle["inclusion"]:
        size, index = vector["size"], vector["index"]
        proof = [bytes.fromhex(digest) for digest in vector["proof"]]
        for other in range(size + 1):
            held = audit.verify_inclusion(leaves[index], other, size, proof, roots[size])
            assert held == (other == index), vector
        assert not audit.verify_inclusion(
            leaves[index], index, size, [*proof, roots[0]], roots[size]
        )
    for vector in merkle["consistency"]:
        old, new = vector["old_size"], vector["new_size"]
        proof = [bytes.fromhex(digest) for digest in vector["proof"]]
        assert audit.verify_consistency(old, roots[old], new, roots[new], proof)
        assert not audit.verify_consistency(old, roots[0], new, roots[new], proof)
        assert not audit.verify_consistency(old, roots[old], new, roots[new], [*proof, roots[0]])


def test_commands_are_read_and_refused_as_the_vectors_say() -> None:
    commands = vectors("commands")
    for vector in commands["good"]:
        command = audit.parse_command(bytes.fromhex(vector["octets"]))
        assert command.kind == vector["kind"]
        assert command.key.hex() == vector["key"]
        assert command.value.hex() == vector["value"]
        for name in ("session", "sequence", "acknowledged", "argument"):
            assert getattr(command, name) == vector[name]
    for vector in commands["bad"]:
        with pytest.raises(ValueError, match=vector["error"]):
            audit.parse_command(bytes.fromhex(vector["octets"]))


def test_checksums_are_those_of_the_vectors() -> None:
    for vector in FILES["checksums"]:
        assert audit.crc32c(bytes.fromhex(vector["octets"])) == vector["crc32c"]
    # RFC 3720 B.4
    assert audit.crc32c(bytes(32)) == 0x8A9136AA
    assert audit.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert audit.crc32c(bytes(range(32))) == 0x46DD794E


def test_a_chain_of_blocks_is_followed_to_its_head() -> None:
    chain = LEDGER["chain"]
    head = audit.Head(0, audit.genesis(audit.cluster_id(chain["cluster"])))
    for vector in chain["blocks"]:
        block = audit.decode_block(bytes.fromhex(vector["octets"]))
        head = head.then(block)
        assert block.hash.hex() == vector["hash"]
        assert head.height == vector["height"]
    assert chain["checkpoint_text"].endswith(f" {head.height} {head.hash.hex()}")


def test_any_changed_octet_of_a_block_is_refused_or_changes_its_hash() -> None:
    for vector in LEDGER["chain"]["blocks"][:5]:
        octets = bytearray.fromhex(vector["octets"])
        for at in range(len(octets)):
            octets[at] ^= 0x01
            try:
                assert audit.decode_block(bytes(octets)).hash.hex() != vector["hash"]
            except audit.Damage as damage:
                assert 0 <= damage.offset <= len(octets)
            octets[at] ^= 0x01


def test_random_octets_are_refused_as_damage() -> None:
    draw = random.Random(1)
    for _ in range(2000):
        octets = draw.randbytes(draw.randrange(300))
        if draw.random() < 0.7:
            octets = b"\x01\x00\x00\x00\x02\x00\x00\x00" + octets
        with pytest.raises(audit.Damage):
            audit.decode_block(octets)


# ---- files


def test_an_intact_directory_is_intact(tmp_path: Path) -> None:
    found = audited(write_node(tmp_path))
    assert found.problems == []
    assert found.notes == []
    assert (found.files, found.blocks) == (2, 5)
    assert FILES["checkpoint"].endswith(f" {found.head.height} {found.head.hash.hex()}")


def test_an_empty_directory_is_at_genesis(tmp_path: Path) -> None:
    found = audited(write_node(tmp_path, []))
    assert found.problems == []
    assert found.head.height == 0


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_any_flipped_byte_of_any_file_is_found_in_that_file(tmp_path: Path, bit: int) -> None:
    files = vector_files()
    for number, (name, octets) in enumerate(files):
        ends = frame_ends(octets)
        for at in range(len(octets)):
            changed = bytearray(octets)
            changed[at] ^= bit
            write_node(tmp_path, [*files[:number], (name, bytes(changed)), *files[number + 1 :]])
            found = audited(tmp_path)
            assert len(found.problems) == 1, f"byte {at} of {name}"
            problem = found.problems[0]
            assert problem.path.name == name
            start = max((end for end in [0, *ends] if end <= at), default=0)
            assert start <= problem.offset < max(end for end in [*ends, len(octets)]), problem


def test_a_file_cut_off_is_an_interrupted_write_at_the_end_only(tmp_path: Path) -> None:
    files = vector_files()
    (first, first_octets), (last, last_octets) = files
    for size in range(len(last_octets)):
        found = audited(write_node(tmp_path, [files[0], (last, last_octets[:size])]))
        assert found.problems == []
        assert bool(found.notes) == (size not in frame_ends(last_octets))
        assert 3 <= found.head.height < 5
        assert audit.check_checkpoint([found], FILES["checkpoint"]) is not None
    for size in range(len(first_octets)):
        found = audited(write_node(tmp_path, [(first, first_octets[:size]), files[1]]))
        assert len(found.problems) == 1, f"the first of two files is cut off at {size}"


def test_octets_added_to_a_file_are_found(tmp_path: Path) -> None:
    (first, first_octets), (last, last_octets) = vector_files()
    more = b"something else, " * 3
    found = audited(write_node(tmp_path, [(first, first_octets + more), (last, last_octets)]))
    assert [problem.path.name for problem in found.problems] == [first]
    found = audited(write_node(tmp_path, [(first, first_octets), (last, last_octets + more)]))
    assert [problem.path.name for problem in found.problems] == [last]
    assert found.problems[0].offset == len(last_octets)


def test_a_last_write_of_which_a_sector_never_came_is_an_interrupted_one(tmp_path: Path) -> None:
    (first, first_octets), _ = vector_files()
    previous = audit.decode_block(block_at(3))
    block = sealed({"height": 4, "timestamp": previous.timestamp}, previous.hash, [b"x" * 3000])
    octets = first_octets + framed(block, 4)
    assert audited(write_node(tmp_path, [(first, octets)])).head.height == 4

    torn = octets[:1024] + bytes(512) + octets[1536:]
    found = audited(write_node(tmp_path, [(first, torn)]))
    assert found.problems == []
    assert found.head.height == 3
    assert "interrupted" in found.notes[0]

    following = sealed({"height": 5, "timestamp": previous.timestamp}, b"\0" * 32, [])
    found = audited(write_node(tmp_path, [(first, torn + framed(following, 5))]))
    assert len(found.problems) == 1, "a block after it shows that the write was complete"


@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_a_block_rewritten_with_right_checksums_breaks_the_link_after_it(
    tmp_path: Path, height: int
) -> None:
    before = audit.decode_block(block_at(height))
    header = {"height": height, "timestamp": before.timestamp, "work_bits": before.work_bits}
    block = sealed(header, before.previous, [b"rewritten"])
    found = audited(write_node(tmp_path, forged(vector_files(), height, block)))
    assert len(found.problems) == 1
    assert found.problems[0].height == height + 1
    assert before.hash.hex() in found.problems[0].text


def test_a_rewritten_last_block_is_found_by_a_checkpoint(tmp_path: Path) -> None:
    before = audit.decode_block(block_at(5))
    header = {"height": 5, "timestamp": before.timestamp}
    block = sealed(header, before.previous, [b"rewritten"])
    found = audited(write_node(tmp_path, forged(vector_files(), 5, block)))
    assert found.problems == []
    complaint = audit.check_checkpoint([found], FILES["checkpoint"])
    assert complaint is not None
    assert before.hash.hex() in complaint


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"timestamp": 1}, "timestamp 1 is below"),
        ({"height": 7}, "height 7, expected 2"),
    ],
)
def test_a_block_out_of_order_is_found(tmp_path: Path, change: dict[str, int], text: str) -> None:
    before = audit.decode_block(block_at(2))
    header = {"height": 2, "timestamp": before.timestamp} | change
    block = sealed(header, before.previous, list(before.commands))
    found = audited(write_node(tmp_path, forged(vector_files(), 2, block)))
    assert text in found.problems[0].text
    assert found.problems[0].height == 2


def test_a_nonce_that_does_not_do_the_work_is_found(tmp_path: Path) -> None:
    block = bytearray(block_at(2))
    root = bytes(block[64:96])
    nonce = next(nonce for nonce in range(1000) if not audit.has_work(root, nonce, 4))
    block[24:32] = struct.pack("<Q", nonce)
    found = audited(write_node(tmp_path, forged(vector_files(), 2, bytes(block))))
    assert f"nonce {nonce} does not do the work of 4 bits" in found.problems[0].text


def test_missing_swapped_and_foreign_files_are_found(tmp_path: Path) -> None:
    (first, first_octets), (last, last_octets) = vector_files()
    without_first = audited(write_node(tmp_path, [(last, last_octets)]))
    assert "begins with height 4, expected 1" in without_first.problems[0].text
    swapped = audited(write_node(tmp_path, [(first, last_octets), (last, first_octets)]))
    assert [problem.path.name for problem in swapped.problems] == [first, last]
    foreign = audit.audit_node(write_node(tmp_path), audit.cluster_id("another cluster"))
    assert "of cluster" in foreign.problems[0].text
    extra = audited(write_node(tmp_path, [*vector_files(), ("readme.txt", b"")]))
    assert extra.problems == []
    assert "not a block file" in extra.notes[0]


def test_damage_in_one_file_does_not_hide_damage_in_the_next(tmp_path: Path) -> None:
    files = []
    for name, octets in vector_files():
        changed = bytearray(octets)
        changed[100] ^= 1
        files.append((name, bytes(changed)))
    found = audited(write_node(tmp_path, files))
    assert [problem.path.name for problem in found.problems] == [name for name, _ in files]


def identity(cluster: int) -> bytes:
    text = (
        f"paxledger-data-directory 1\ncluster-id {cluster:016x}\n"
        f"cluster-name {CLUSTER}\nnode 1\nstate ready\n"
    ).encode()
    return text + f"crc32c {audit.crc32c(text):08x}\n".encode()


def test_the_identity_says_which_cluster_it_has_to_be(tmp_path: Path) -> None:
    write_node(tmp_path)
    path = tmp_path / "identity"
    path.write_bytes(identity(audit.cluster_id(CLUSTER)))
    assert audit.audit_node(tmp_path).problems == []
    path.write_bytes(identity(7))
    assert len(audit.audit_node(tmp_path).problems) == 2, "each file is of another cluster"
    octets = identity(audit.cluster_id(CLUSTER))
    for at in range(len(octets)):
        changed = bytearray(octets)
        changed[at] ^= 1
        path.write_bytes(bytes(changed))
        assert audit.audit_node(tmp_path).problems[0].path == path, f"byte {at}"


# ---- the program


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", AUDIT, *arguments], capture_output=True, text=True, check=False
    )


def test_the_program_stands_alone_and_says_intact(tmp_path: Path) -> None:
    for node in (1, 2, 10):
        write_node(tmp_path / f"node-{node}")
    head = FILES["checkpoint"].split()[-1]
    options = ["--cluster", CLUSTER, "--head", head, "--checkpoint", FILES["checkpoint"]]
    result = run(tmp_path, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        str(tmp_path / name) for name in ("node-1", "node-2", "node-10")
    ]
    assert all(line.endswith("5 blocks in 2 files: intact") and head in line for line in lines)


def test_the_program_prints_file_offset_and_height_of_a_problem(tmp_path: Path) -> None:
    (first, octets), last = vector_files()
    at = frame_ends(octets)[1] + 24 + 96 + 4 + 40  # the key of the first command of block 2
    assert octets[at : at + 5] == b"alice"
    changed = octets[:at] + b"eve  " + octets[at + 5 :]
    write_node(tmp_path / "node-1", [(first, changed), last])
    result = run(tmp_path)
    assert result.returncode == 1
    where = tmp_path / "node-1" / "blocks" / first
    offset = frame_ends(octets)[1] + 24
    expected = f"PROBLEM {where}: offset {offset}: height 2: the checksum of a block is wrong"
    assert expected in result.stdout
    assert "DAMAGED" in result.stdout


def test_the_program_finds_nodes_that_differ(tmp_path: Path) -> None:
    write_node(tmp_path / "node-1")
    before = audit.decode_block(block_at(5))
    block = sealed({"height": 5, "timestamp": before.timestamp}, before.previous, [b"other"])
    write_node(tmp_path / "node-2", forged(vector_files(), 5, block))
    result = run(tmp_path)
    assert result.returncode == 1
    assert f"PROBLEM {tmp_path / 'node-2'}: offset 0: height 5: hash " in result.stdout


def test_the_program_asks_for_a_head_that_is_there(tmp_path: Path) -> None:
    write_node(tmp_path)
    missing = hashlib.sha256(b"").hexdigest()
    result = run(tmp_path, "--head", missing)
    assert result.returncode == 1
    assert f"no node has an intact block with the hash {missing}" in result.stdout
    assert run(tmp_path, "--checkpoint", "nonsense").returncode == 1


def test_the_program_lists_blocks_with_operations_link_and_nonce(tmp_path: Path) -> None:
    write_node(tmp_path)
    result = run(tmp_path, "--list")
    assert result.returncode == 0
    block = audit.decode_block(block_at(2))
    assert f"2 {block.hash.hex()}" in result.stdout
    assert f"previous {block.previous.hex()}" in result.stdout
    assert f"nonce {block.nonce} work_bits 4" in result.stdout
    assert "put b'alice' b'555-0100'" in result.stdout


def test_the_program_says_so_if_there_is_nothing_to_read(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.returncode == 2
    assert "no blocks/" in result.stderr


def test_the_program_changes_nothing(tmp_path: Path) -> None:
    write_node(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
