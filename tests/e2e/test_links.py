"""Faults of the links between nodes, ordered by the command line."""

from __future__ import annotations

import pytest

from cluster import Cluster, Node
from cluster_fixtures import SMALL_FILES, MakeCluster
from load import Load, Promise, check_kept
from plain_client import GET, LINEARIZABLE, OK, UNAUTHORIZED, Connection
from waiting import scaled, wait_until


def link(cluster: Cluster, *arguments: object) -> None:
    cluster.json("fault", "link", *arguments)


def heal(cluster: Cluster) -> None:
    # `fault heal` also restarts what `fault node` killed; the links are healed by the nodes.
    cluster.heal()


def other_leader(cluster: Cluster, old: Node) -> Node:
    def elected() -> Node | None:
        leader = cluster.leader(cluster.others(old))
        return leader if leader is not old else None

    return wait_until("another node leads", elected)


def test_an_isolated_leader_serves_no_stale_read_and_others_go_on(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.put(b"x", b"old").ok
    old = cluster.leader()
    rest = cluster.others(old)
    direct = Connection(old.endpoint)
    assert direct.ask(GET, LINEARIZABLE, b"x") is not None
    with Load(cluster, writes_through(cluster), through=rest) as load:
        load.wait_progress(100)
        for other in rest:
            link(cluster, old.id, other.id)
        # From now on the old leader hears nobody. What it believed before must not show.
        reads = [direct.new_id() for _ in range(20)]
        direct.post(*([GET, read, 2000, LINEARIZABLE, b"x"] for read in reads))
        other_leader(cluster, old)
        assert cluster.client(rest[0]).put(b"x", b"new", deadline=10).ok
        load.promise.changes += 1
        later = [direct.new_id() for _ in range(20)]
        direct.post(*([GET, read, 2000, LINEARIZABLE, b"x"] for read in later))
        for read in later:
            reply = direct.wait(read, scaled(5))
            assert reply is not None, "it says what is the matter within the client's budget"
            assert reply.code != OK or reply.value == b"new", f"a stale read: {reply}"
        load.wait_progress(200)
        old.wait_status("stepped down", lambda status: status["role"] != "leader")
        heal(cluster)
        cluster.wait_serving()
    direct.close()
    check_kept(cluster, load.promise)


def writes_through(cluster: Cluster) -> int:
    return max(2, len(cluster.nodes) - 1)


def test_a_leader_that_does_not_know_that_it_was_deposed_serves_no_stale_read(
    cluster: Cluster,
) -> None:
    """What it hears of the others is 1.5 seconds old, and they do not hear it at all."""
    old = cluster.leader()
    writer = old.client()
    assert writer.put(b"x", b"old").ok
    rest = cluster.others(old)
    direct = Connection(old.endpoint)
    for delay_ms in range(250, 1501, 250):  # in steps that it does not take for a silence
        for other in rest:
            assert cluster.fault(other, peer=old.id, delay_ms=delay_ms).ok
        # Once this is acknowledged, what the others said since the order arrives in a stream.
        assert writer.put(b"tick", b"").ok
    for other in rest:
        assert cluster.fault(old, peer=other.id, block=True).ok
    other_leader(cluster, old)
    assert cluster.client(rest[0]).put(b"x", b"new").ok
    asked_in_time = old.status()["role"] == "leader"
    for _ in range(20):
        reply = direct.ask(GET, LINEARIZABLE, b"x", timeout=0.1)
        assert reply is None or reply.code != OK or reply.value == b"new", f"a stale read: {reply}"
    assert asked_in_time, "the old leader still believed in itself"
    cluster.heal()
    direct.close()
    check_kept(cluster, Promise({b"x": b"new"}, changes=8))


def test_a_link_cut_in_one_direction_stops_nobody(cluster: Cluster) -> None:
    leader = cluster.leader()
    first, second = cluster.others(leader)
    with Load(cluster, writers=2) as load:
        load.wait_progress(100)
        link(cluster, leader.id, first.id, "--one-way")
        load.wait_progress(200)
        link(cluster, second.id, leader.id, "--one-way")
        load.wait_progress(200)
        heal(cluster)
    check_kept(cluster, load.promise)


@pytest.mark.parametrize("cut", ["chain", "star"])
def test_five_nodes_go_on_in_partial_partitions(five: Cluster, cut: str) -> None:
    """Chained partition: 1-2-3-4-5 hear only their neighbours; star: all hear one node alone."""
    leader = five.leader()
    ring = [leader, *five.others(leader)]
    if cut == "star":  # quorum loss: the leader is alive, and hears one node that hears all
        middle = ring[1]
        pairs = [(a, b) for a in ring for b in ring if a.id < b.id and middle not in (a, b)]
    else:
        middle = ring[2]
        pairs = [
            (a, b) for i, a in enumerate(ring) for j, b in enumerate(ring) if i < j and j - i > 1
        ]
        # A chain of five has three nodes that hear a majority: those in its middle.
    with Load(five, writers=2, window=8) as load:
        load.wait_progress(50)
        for a, b in pairs:
            assert five.fault(a, peer=b.id, block=True).ok
            assert five.fault(b, peer=a.id, block=True).ok
        load.wait_progress(150, timeout=30)
        heal(five)
        five.wait_serving()
    check_kept(five, load.promise)


def test_lost_delayed_doubled_and_reordered_messages_change_nothing(cluster: Cluster) -> None:
    with Load(cluster, writers=3) as load:
        for a, b in ((1, 2), (1, 3), (2, 3)):
            link(
                cluster,
                *(a, b, "--drop", 0.1, "--delay", "3ms", "--jitter", "5ms"),
                *("--duplicate", 0.1, "--reorder", 0.1),
            )
        load.wait_progress(500, timeout=40)
        listed = cluster.json("fault", "list")
        assert len(listed["links"]) == 6
        assert {each["drop"] for each in listed["links"]} == {0.1}
        heal(cluster)
        load.wait_progress(200)
    check_kept(cluster, load.promise)


def test_faults_are_refused_where_the_configuration_does_not_allow_them(
    make_cluster: MakeCluster,
) -> None:
    cluster = make_cluster(fault_injection=False, settings=SMALL_FILES).start()
    refused = cluster.fault(cluster.node(1), peer=2, block=True)
    assert refused.code == UNAUTHORIZED
    assert "fault_injection" in refused.message
    run = cluster.command("fault", "link", 1, 2)
    assert run.returncode == 6, run
    assert "fault_injection" in run.stderr
    assert cluster.client().put(b"k", b"v").ok
