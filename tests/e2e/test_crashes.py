"""Crashes and pauses: what was acknowledged stays, and nothing happens twice."""

from __future__ import annotations

import re
import time

from chain_files import lose_unsynced_blocks
from cluster import Cluster, Node
from load import Load, check_kept
from plain_client import (
    GET,
    LINEARIZABLE,
    NO_QUORUM,
    NOT_FOUND,
    OK,
    TIMEOUT,
    Connection,
    Reply,
)
from waiting import scaled, wait_until

DISK_FAILED = 74


def new_leader(cluster: Cluster, old: Node) -> Node:
    rest = cluster.others(old)

    def elected() -> Node | None:
        leader = cluster.leader(rest)
        return leader if leader is not old else None

    return wait_until("another node leads", elected)


def test_killing_the_leader_under_load_loses_nothing_and_repeats_nothing(cluster: Cluster) -> None:
    with Load(cluster) as load:
        for _ in range(2):
            load.wait_progress(300)
            leader = cluster.leader()
            leader.kill()
            new_leader(cluster, leader)
            load.wait_progress(300)
            leader.start()
            cluster.wait_serving([leader])
    check_kept(cluster, load.promise)


def open_session(node: Node) -> int:
    client = node.client()
    assert client.open().ok
    return client.session


def test_five_nodes_serve_with_two_down_and_say_no_quorum_with_three(five: Cluster) -> None:
    with Load(five, writers=2) as load:
        load.wait_progress(200)
        leader = five.leader()
        down = [leader, five.others(leader)[0]]
        five.kill(down)
        up = five.others(*down)
        load.wait_progress(300)
        five.wait_serving(up)

    third = up[0]
    last_two = up[1:]
    sessions = {node.id: open_session(node) for node in last_two}
    third.kill()
    attempts: list[tuple[bytes, Reply]] = []
    for node in last_two:
        client = node.client()
        client.session, client.is_open = sessions[node.id], True
        for number in range(2):
            key = f"without quorum {node.id}.{number}".encode()
            reply = client.put(key, b"?", deadline=1.0)
            assert reply.code in (NO_QUORUM, TIMEOUT), f"never a false success: {reply}"
            attempts.append((key, reply))
        read = node.client().get(b"anything", deadline=1.0)
        assert read.code in (NO_QUORUM, TIMEOUT), read
    # Once a node knows that it hears no majority, it says so within the client's deadline.
    node = last_two[0]
    node.wait_status("hears no majority", lambda status: not status["hears_quorum"])
    refused = node.client().put(b"x", b"?", deadline=1.0)
    assert refused.code == NO_QUORUM, refused
    assert node.http("/readyz")[0] == 503

    for node in [*down, third]:
        node.start()
    five.wait_serving()
    client = five.client()
    for key, reply in attempts:
        found = client.get(key)
        assert found.code in (OK, NOT_FOUND) and found.value in (b"?", b"")
        if reply.code == NO_QUORUM:
            assert found.code == NOT_FOUND, f"`no quorum` had an effect on {key!r}"
        load.promise.changes += found.code == OK
    check_kept(five, load.promise)


def test_killing_all_nodes_at_once_under_load_loses_nothing(cluster: Cluster) -> None:
    with Load(cluster) as load:
        for _ in range(2):
            load.wait_progress(300)
            cluster.kill()
            for node in cluster.nodes:
                node.start()
            cluster.wait_serving()
        load.wait_progress(100)
    check_kept(cluster, load.promise)


def test_a_power_loss_that_takes_every_unsynced_block_loses_nothing(cluster: Cluster) -> None:
    """The block files are written without a sync of their own; what counts is in the logs."""
    with Load(cluster) as load:
        load.wait_progress(500)
        for node in cluster.nodes:
            node.wait_status("wrote blocks", lambda status: status["counters"]["block_bytes"] > 0)
    cluster.kill()
    lost = [lose_unsynced_blocks(node.directory) for node in cluster.nodes]
    assert all(lost), "there was something to lose on every node"
    cluster.start()
    check_kept(cluster, load.promise)


def test_an_acknowledged_write_is_on_the_disks_of_a_majority(cluster: Cluster) -> None:
    delay = 0.15
    cluster.stop()
    slow_disk = f"inject=fdatasync:delay_exit={int(delay * 1_000_000)}"
    for node in cluster.nodes:
        log = str(cluster.root / f"strace-{node.id}.log")
        node.start(wrapper=["strace", "-D", "-f", "-qq", "-o", log, "-e", slow_disk])
    cluster.wait_serving()
    client = cluster.client()
    assert client.open().ok
    for number in range(5):
        start = time.monotonic()
        assert client.put(b"k", str(number).encode()).ok
        assert time.monotonic() - start >= delay, "acknowledged before the sync returned"
    start = time.monotonic()
    for _ in range(20):
        assert client.get(b"k").ok
    assert time.monotonic() - start < 20 * delay, "reads write nothing"


def test_a_cluster_that_was_stopped_goes_on_where_it_was(cluster: Cluster) -> None:
    with Load(cluster, writers=2) as load:
        load.wait_progress(500)
    check_kept(cluster, load.promise)
    height, _ = cluster.wait_same_heads()
    cluster.stop()
    cluster.start()
    check_kept(cluster, load.promise)
    assert cluster.wait_same_heads()[0] >= height
    with Load(cluster, writers=2) as more:
        more.wait_progress(200)
    check_kept(cluster, more.promise)


def test_a_paused_leader_serves_no_stale_read_when_it_wakes_up(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.put(b"x", b"old").ok
    old = cluster.leader()
    trap = Connection(old.endpoint)
    assert trap.ask(GET, LINEARIZABLE, b"x") is not None, "the connection stands"
    with Load(cluster, writers=2) as load:
        load.wait_progress(100)
        old.pause()
        new_leader(cluster, old)
        through_others = cluster.client(cluster.others(old)[0])
        assert through_others.put(b"x", b"new", deadline=10).ok
        load.promise.changes += 1
        load.wait_progress(200)
        # These reads begin after the new value was acknowledged, and wait in the old leader's
        # sockets: they are the first thing that it sees.
        reads = [trap.new_id() for _ in range(50)]
        trap.post(*([GET, read, 3000, LINEARIZABLE, b"x"] for read in reads))
        old.resume()
        for read in reads:
            reply = trap.wait(read, scaled(5))
            assert reply is not None, "the old leader answers within the client's budget"
            assert reply.code != OK or reply.value == b"new", f"a stale read: {reply}"
        load.wait_progress(100)
    trap.close()
    check_kept(cluster, load.promise)


def test_a_node_that_was_paused_for_long_under_load_goes_on_when_it_is_continued(
    cluster: Cluster,
) -> None:
    """Longer than every timeout of a connection, so that all of them have run out meanwhile."""
    node = cluster.others(cluster.leader())[0]
    with Load(cluster, 2, through=cluster.others(node)) as load:
        load.wait_progress(100)
        node.pause()
        since = time.monotonic()
        wait_until("13 s of load", lambda: time.monotonic() - since > 13, 30)
        load.wait_progress(100)
        node.resume()
        head = cluster.leader(cluster.others(node)).status()["height"]
        node.wait_status("caught up", lambda status: status["height"] >= head, 30)
        load.wait_progress(100)
    assert node.running
    check_kept(cluster, load.promise)


def test_the_last_words_of_a_node_whose_disk_failed_look_like_its_other_lines(
    cluster: Cluster,
) -> None:
    node = cluster.others(cluster.leader())[0]
    full_disk = "inject=pwrite64:error=ENOSPC:when=20+"
    log = str(cluster.root / "strace.log")
    with Load(cluster, writers=1, through=cluster.others(node)) as load:
        assert node.stop() == 0
        node.start(wrapper=["strace", "-D", "-f", "-qq", "-o", log, "-e", full_disk])
        assert node.wait_exit(60) == DISK_FAILED
        load.wait_progress(10)
    lines = node.log_text().splitlines()
    line = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}} [a-z]+ +node {node.id}: ")
    assert [each for each in lines if not line.match(each)] == []
    assert "critical" in lines[-2] and "No space left on device" in lines[-2], lines[-2]
    assert "critical" in lines[-1] and "start the node again" in lines[-1], lines[-1]
    node.start()
    cluster.wait_serving([node])
    check_kept(cluster, load.promise)


def test_a_follower_that_missed_much_catches_up(cluster: Cluster) -> None:
    follower = cluster.others(cluster.leader())[0]
    follower.kill()
    with Load(cluster, writers=2, window=32, through=cluster.others(follower)) as load:
        load.wait_progress(2000)
        follower.start()
        load.wait_progress(200)
    check_kept(cluster, load.promise)
