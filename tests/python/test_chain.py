"""Chains as Python sees them: decoded, verified, compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from paxledger import audit, errors
from paxledger.chain import Block, Chain, Comparison, Operation
from paxledger.cluster import Cluster
from waiting import scaled


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three nodes with a chain of some blocks, of every kind of operation."""
    with Cluster.local(3, work_bits=4) as three:
        db = three.client()
        for number in range(8):
            db[f"key/{number}"] = f"value {number}"
        db.compare_and_put("key/0", "newer", db.entry("key/0").revision)
        db.get("key/1", consistency="ledger")
        del db["key/2"]
        assert three.in_sync(timeout=scaled(10))
        yield three


def test_a_chain_is_like_a_list_of_all_blocks(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    assert [block.height for block in chain] == list(range(1, len(chain) + 1))
    assert chain.head is chain[-1] and chain.height == len(chain) == chain[-1].height
    assert chain.at(3) is chain[2]
    assert [block.height for block in chain[2:4]] == [3, 4]
    assert cluster.chain(1, first=3, last=5) == chain[2:5]
    assert len(cluster.chain(1, first=chain.height + 5)) == 0
    with pytest.raises(errors.BadRequest, match="no block 99999"):
        chain.at(99_999)


def test_operations_are_decoded_in_order(cluster: Cluster) -> None:
    operations = [each for block in cluster.chain(1) for each in block.operations]
    kinds = [each.kind for each in operations]
    assert kinds[0] == "open_session"
    assert kinds.count("put") == 8
    compared = operations[kinds.index("compare_and_put")]
    assert (compared.key, compared.value, compared.argument > 0) == (b"key/0", b"newer", True)
    assert operations[kinds.index("remove")].key == b"key/2"
    assert operations[kinds.index("read")].key == b"key/1"
    assert Operation.parse(b"no command at all") == Operation("refused", value=b"no command at all")


def test_what_the_auditor_reads_from_disk_is_what_the_node_says(cluster: Cluster) -> None:
    chain = cluster.chain(2)
    found = audit.audit_node(Path(cluster.node(2).directory))
    assert not found.problems
    assert found.hashes == {block.height: block.hash for block in chain}
    assert [block.encode() for block in chain] == [
        Block.decode(block.encode()).encode() for block in chain
    ]


def forge(chain: Chain, at: int, /, **changes: object) -> Chain:
    blocks = list(chain)
    blocks[at - 1] = replace(blocks[at - 1], **changes)  # type: ignore[arg-type]
    return Chain(blocks, genesis=chain.genesis, node=chain.node)


def test_every_kind_of_change_is_noticed(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    chain.verify()
    block = chain.at(4)
    changes: list[dict[str, object]] = [
        {"timestamp": block.timestamp + 1},
        {"nonce": block.nonce + 1},
        {"previous": bytes(32)},
        {"ops_root": bytes(32)},
        {"hash": bytes(32)},
        {"commands": ()},
        {"commands": (block.commands[0][:-1] + b"!", *block.commands[1:])},
        {"work_bits": 24},
        {"height": 5},
    ]
    for change in changes:
        with pytest.raises(errors.Damaged, match=r"block \d: "):
            forge(chain, 4, **change).verify()


def test_a_block_that_was_forged_with_care_breaks_the_link_of_the_next(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    honest = chain.at(4)
    forged = replace(honest, timestamp=honest.timestamp + 1)
    header = forged.encode()[: audit.HEADER.size]
    forged = replace(forged, hash=audit.tagged_sha256("paxledger/block/1", header))
    assert forged.problem() is None
    blocks = list(chain)
    blocks[3] = forged
    with pytest.raises(errors.Damaged, match="block 5: links to"):
        Chain(blocks, genesis=chain.genesis).verify()
    with pytest.raises(errors.Damaged, match="block 1: links to"):
        Chain(chain, genesis=bytes(32)).verify()


def test_the_first_difference_of_two_chains_is_found(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    assert chain.diff(cluster.chain(2)) is None
    assert chain.diff(chain[:3]) is None, "a shorter chain does not differ"
    other = forge(forge(chain, 6, hash=bytes(32)), 4, hash=bytes(32))
    assert chain.diff(other) == other.diff(chain) == 4
    assert chain[4:].diff(other) == 6
    assert Chain([]).diff(chain) is None
    comparison = Comparison([chain, other, chain[:2]])
    assert comparison.first_difference == 4
    assert "differ from height 4" in repr(comparison)
    assert cluster.compare().first_difference is None


def test_a_chain_that_a_node_gives_wrong_is_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = [block.encode() for block in cluster.chain(1)]
    control = cluster._control
    monkeypatch.setattr(control, "blocks", lambda *_: [*octets[:2], *octets[3:]])
    with pytest.raises(errors.Damaged, match=r"node 1: block 4: height 4, expected 3"):
        cluster.chain(1)
    torn = octets[2][:-1] + b"?"
    monkeypatch.setattr(control, "blocks", lambda *_: [*octets[:2], torn, *octets[3:]])
    with pytest.raises(errors.Damaged, match=r"node 1: block 3: ops root"):
        cluster.chain(1)
