"""What a healthy cluster does for its clients, through every node."""

from __future__ import annotations

import json
from typing import Any

from chain_files import commands
from cluster import Cluster
from plain_client import COMPARE_FAILED, LINEARIZABLE, LOCAL, NOT_FOUND, OK, READ, PlainClient
from waiting import wait_until


def test_every_node_takes_writes_and_every_other_node_reads_them(cluster: Cluster) -> None:
    for writer in cluster.nodes:
        key, value = f"from {writer.id}".encode(), f"value {writer.id}".encode()
        assert writer.client().put(key, value).ok
        for reader in cluster.nodes:
            reply = reader.client().get(key)
            assert (reply.code, reply.value) == (OK, value), f"{writer.id} to {reader.id}: {reply}"
            assert reply.node == reader.id, "the node that was asked hands the result back"


def test_reads_of_all_three_kinds_give_the_value_and_its_revision(cluster: Cluster) -> None:
    written = cluster.client().put(b"alice", b"555-0100")
    follower = cluster.others(cluster.leader())[0]
    client = follower.client()

    linearizable = client.get(b"alice")
    assert (linearizable.value, linearizable.revision) == (b"555-0100", written.revision)

    before = follower.status()["height"]
    ledger = client.ledger_read(b"alice")
    assert (ledger.value, ledger.revision) == (b"555-0100", written.revision)

    def audited_reads() -> int:
        kinds = [command[1] for block in client.blocks() for command in commands(block)]
        return kinds.count(READ)

    assert wait_until("the read left a block behind", audited_reads) == 1

    local = client.get(b"alice", LOCAL)
    assert (local.value, local.revision) == (b"555-0100", written.revision)
    assert local.height >= before, "a local read says from which height it is"


def test_missing_keys_removals_and_comparisons_have_results_of_their_own(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.get(b"nobody").code == NOT_FOUND
    assert client.remove(b"nobody").code == NOT_FOUND

    created = client.compare_and_put(b"k", 0, b"1")
    assert created.ok
    again = client.compare_and_put(b"k", 0, b"2")
    assert (again.code, again.revision) == (COMPARE_FAILED, created.revision)
    assert again.leader == cluster.leader().id, "a failure names the leader"
    changed = client.compare_and_put(b"k", created.revision, b"3")
    assert changed.ok and changed.revision > created.revision
    assert client.remove(b"k").ok
    assert client.get(b"k").code == NOT_FOUND
    assert client.put(b"empty", b"").ok
    assert (client.get(b"empty").code, client.get(b"empty").value) == (OK, b"")


def test_a_scan_gives_every_key_once_and_in_order(cluster: Cluster) -> None:
    client = cluster.client()
    expected = {f"list/{number:03}".encode(): str(number).encode() for number in range(50)}
    for key, value in expected.items():
        assert client.put(key, value).ok
    assert client.put(b"other", b"not in the list").ok
    for node in cluster.nodes:
        for consistency in (LINEARIZABLE, LOCAL):
            found = node.client().scan(b"list/", consistency, page=7)
            if consistency == LINEARIZABLE or len(found) == len(expected):
                assert {key: item.value for key, item in found.items()} == expected
                assert list(found) == sorted(found)
    assert b"other" in client.scan()


def test_all_nodes_have_the_same_chain_and_it_links(cluster: Cluster) -> None:
    client = cluster.client()
    for number in range(20):
        assert client.put(b"n", str(number).encode()).ok
    height, head = cluster.wait_same_heads()
    chains = [list(node.client().blocks()) for node in cluster.nodes]
    assert all(chain[:height] == chains[0][:height] for chain in chains)
    assert len(chains[0]) >= height
    reports = cluster.verify()
    assert {(report["blocks"], report["head"]) for report in reports} == {(height, head)}


def test_status_tells_leader_heights_heads_and_peers(cluster: Cluster) -> None:
    assert cluster.client().put(b"k", b"v").ok
    cluster.wait_same_heads()
    leader = cluster.leader()
    for node in cluster.nodes:
        client = node.client()

        def ready(client: PlainClient = client) -> dict[str, Any]:
            status: dict[str, Any] = json.loads(client.admin("status").value)
            assert status["ready"] and status["hears_quorum"], status
            assert all(peer["heard"] for peer in status["peers"]), status
            return status

        status = wait_until(f"node {node.id} is ready and hears all others", ready)
        assert status["node"] == node.id
        assert status["cluster"] == "e2e"
        assert status["role"] == ("leader" if node is leader else "follower")
        assert status["leader"] == leader.id
        assert (status["keys"], status["revision"]) == (1, 1)
        assert status["pid"] == node.pid
        peers = {peer["node"]: peer for peer in status["peers"]}
        assert set(peers) == {other.id for other in cluster.others(node)}
        assert not any(peer["conflicting"] for peer in peers.values())
