"""Faults: what the nodes are told, what it does to them, and that each undoes exactly itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from paxledger import errors
from paxledger.client import connect
from paxledger.cluster import Cluster
from paxledger.faults import LinkEffect
from paxledger.programs import find_program
from waiting import scaled, wait_until

BLOCK = LinkEffect(block=True)


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with Cluster.local(5) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    yield shared
    shared.heal()
    shared.start()


def told(cluster: Cluster) -> dict[tuple[int, int], dict[str, Any]]:
    """What the running nodes themselves say of their links, as {(from, to): …}."""
    db = cluster.client()
    found = {}
    for node in cluster.nodes:
        if node.state == "running":
            for fault in db.admin("faults", node=node.id)["faults"]:
                found[node.id, fault["peer"]] = fault
    db.close()
    return found


def test_a_link_fails_in_both_directions_or_in_one(cluster: Cluster) -> None:
    with cluster.fail_link(1, 2):
        assert set(told(cluster)) == set(cluster.link_faults()) == {(1, 2), (2, 1)}
    with cluster.fail_link(1, 2, one_way=True) as fault:
        assert set(told(cluster)) == {(1, 2)} == set(fault.links)
    assert told(cluster) == {} == cluster.link_faults()


def test_each_kind_reaches_the_nodes_as_it_was_ordered(cluster: Cluster) -> None:
    cluster.drop(1, 2, 0.25, one_way=True)
    cluster.delay(2, 3, 0.005, jitter=0.002, one_way=True)
    cluster.duplicate(3, 4, 0.5, one_way=True)
    cluster.reorder(4, 5, 0.125, one_way=True)
    said = told(cluster)
    assert said[1, 2]["drop"] == 0.25
    assert (said[2, 3]["delay_ms"], said[2, 3]["jitter_ms"]) == (5, 2)
    assert said[3, 4]["duplicate"] == 0.5
    assert said[4, 5]["reorder"] == 0.125
    assert len(said) == len(cluster.faults()) == 4


def test_groups_of_a_partition_hear_nothing_of_each_other(cluster: Cluster) -> None:
    with cluster.partition([1, 2], [3, 4, 5]):
        across = {(a, b) for a in (1, 2) for b in (3, 4, 5)}
        assert set(told(cluster)) == across | {(b, a) for a, b in across}
    with cluster.partition([1, 2], [3, 4], one_way=True):
        assert set(told(cluster)) == {(a, b) for a in (1, 2) for b in (3, 4)}
    with cluster.partition([4]):
        assert set(told(cluster)) == {(4, n) for n in (1, 2, 3, 5)} | {(n, 4) for n in (1, 2, 3, 5)}
    # Node 3 stands in both groups, so it hears everybody.
    with cluster.partition([1, 2, 3], [3, 4, 5]):
        assert not any(3 in link for link in told(cluster))


def test_a_node_is_isolated_in_the_named_direction(cluster: Cluster) -> None:
    others = (1, 3, 4, 5)
    with cluster.isolate(2, one_way="in"):
        assert set(told(cluster)) == {(other, 2) for other in others}
    with cluster.isolate(2, one_way="out"):
        assert set(told(cluster)) == {(2, other) for other in others}


def test_a_minority_cannot_write_and_a_majority_can(cluster: Cluster) -> None:
    leader = cluster.wait_for_leader()
    minority = [leader, next(node for node in cluster.ids if node != leader)]
    majority = [node for node in cluster.ids if node not in minority]
    with cluster.partition(minority, majority):
        wait_until("the majority elects a leader", lambda: cluster.leader() in majority)
        with connect([cluster.node(node).endpoint for node in majority]) as db:
            db["k"] = "majority"
        with (
            connect([cluster.node(node).endpoint for node in minority]) as db,
            pytest.raises((errors.NoQuorum, errors.Timeout)),
        ):
            db.put("k", "minority", deadline=1.0)
    assert cluster.client()["k"] == b"majority"
    assert cluster.in_sync(timeout=scaled(10))


# ---- undoing


def test_a_fault_that_ends_leaves_the_overlapping_one_in_place(cluster: Cluster) -> None:
    drop = cluster.drop(1, 3, 0.5)
    with cluster.partition([1, 2], [3, 4, 5]):
        assert told(cluster)[1, 3]["block"] and told(cluster)[1, 3]["drop"] == 0.5
    assert set(told(cluster)) == {(1, 3), (3, 1)}
    assert not told(cluster)[1, 3]["block"]
    drop.undo()
    assert told(cluster) == {}


def test_faults_end_in_any_order(cluster: Cluster) -> None:
    first = cluster.fail_link(1, 2)
    second = cluster.isolate(1)
    first.undo()
    assert told(cluster)[1, 2]["block"], "the isolation still holds"
    first.undo()
    second.undo()
    assert told(cluster) == {} and cluster.faults() == []


def test_faults_on_one_link_add_up(cluster: Cluster) -> None:
    with cluster.drop(1, 2, 0.5, one_way=True), cluster.drop(1, 2, 0.5, one_way=True):
        assert told(cluster)[1, 2]["drop"] == 0.75
        with cluster.delay(1, 2, 0.01), cluster.delay(1, 2, 0.02, one_way=True):
            assert told(cluster)[1, 2]["delay_ms"] == 30
            assert told(cluster)[2, 1]["delay_ms"] == 10
    assert told(cluster) == {}


def test_fixing_a_link_takes_it_out_of_a_larger_fault(cluster: Cluster) -> None:
    with cluster.partition([1], [2, 3, 4, 5]) as fault:
        cluster.fix_link(1, 2)
        assert (1, 2) not in told(cluster) and (1, 3) in told(cluster)
        cluster.fix_link(3, 1, one_way=True)
        assert (3, 1) not in told(cluster) and (1, 3) in told(cluster)
        assert fault.active
    assert told(cluster) == {}


def test_what_others_have_injected_stays_and_heal_takes_it_away(cluster: Cluster) -> None:
    command = [find_program("paxledger"), "fault", "link", "1", "2", "--drop", "0.5"]
    subprocess.run([*command, "-f", cluster.file], check=True, capture_output=True)
    assert str(cluster.link_faults()[1, 2]) == "drop 0.5"
    with cluster.fail_link(1, 2):
        assert told(cluster)[1, 2]["block"]
    assert told(cluster)[1, 2]["drop"] == 0.5 and not told(cluster)[1, 2]["block"]
    assert cluster.faults() == []
    cluster.heal()
    assert told(cluster) == {} == cluster.link_faults()


def test_healing_ends_every_fault_and_undoing_one_afterwards_does_nothing(
    cluster: Cluster,
) -> None:
    with cluster.partition([1], [2, 3, 4, 5]) as cut, cluster.node(2).kill() as dead:
        cluster.node(3).pause()
        cluster.heal()
        assert not cut.active and not dead.active
        assert [node.state for node in cluster.nodes] == ["running"] * 5
        later = cluster.fail_link(1, 4)
    assert later.active and set(told(cluster)) == {(1, 4), (4, 1)}


# ---- nodes that do not run


def test_a_stopped_node_gets_its_faults_when_it_starts(cluster: Cluster) -> None:
    with cluster.node(1).kill():
        cut = cluster.partition([1], [2, 3, 4, 5])
        assert (1, 2) not in told(cluster) and (2, 1) in told(cluster)
    assert cluster.node(1).state == "running"
    assert told(cluster)[1, 2]["block"]
    cut.undo()
    assert told(cluster) == {}


def test_a_paused_node_gets_its_faults_when_it_is_resumed(cluster: Cluster) -> None:
    cut = cluster.fail_link(1, 2)
    with cluster.node(1).pause():
        cut.undo()
        cluster.drop(1, 3, 0.5, one_way=True)
    wait_until("node 1 has heard", lambda: set(told(cluster)) == {(1, 3)})


def test_a_restarted_node_keeps_its_faults(cluster: Cluster) -> None:
    with cluster.fail_link(1, 2):
        cluster.node(1).restart()
        assert told(cluster)[1, 2]["block"]
    assert told(cluster) == {}


def test_pauses_overlap_and_the_last_one_resumes(cluster: Cluster) -> None:
    outer = cluster.node(4).pause()
    with cluster.node(4).pause():
        pass
    assert cluster.node(4).state == "paused"
    outer.undo()
    assert cluster.node(4).state == "running"


def test_a_node_that_runs_again_already_is_not_started_twice(cluster: Cluster) -> None:
    with cluster.fail_node(5) as fault:
        cluster.fix_node(5)
        pid = cluster.node(5).pid
        assert not fault.active
    assert cluster.node(5).pid == pid


def test_what_does_not_run_cannot_be_killed_paused_or_resumed(cluster: Cluster) -> None:
    with cluster.fail_node(5):
        node = cluster.node(5)
        for call in (node.kill, node.pause, node.resume):
            with pytest.raises(errors.BadRequest, match="node 5 does not run"):
                call()
        assert len(cluster.faults()) == 1


# ---- where faults are off


def test_without_fault_injection_links_cannot_be_disturbed_but_nodes_can() -> None:
    with Cluster.local(3, fault_injection=False) as cluster:
        with pytest.raises(
            errors.Unauthorized, match=r"cluster\.yaml says `fault_injection: true`"
        ):
            cluster.partition([1], [2, 3])
        assert cluster.faults() == []
        with cluster.fail_node(1):
            cluster.client()["k"] = "v"
        cluster.fail_node(2)
        cluster.heal()
        assert cluster.node(2).state == "running"


def test_a_pause_ends_with_the_process_that_was_paused(cluster: Cluster) -> None:
    pause = cluster.node(3).pause()
    with cluster.fail_node(3) as kill:
        assert cluster.faults() == [kill]
        assert not pause.active
    assert cluster.faults() == []
    # Another pause of the new process is not undone with that of the old one.
    with cluster.node(3).pause() as second:
        pause.undo()
        assert cluster.node(3).state == "paused"
        assert cluster.faults() == [second]


def test_a_pause_that_somebody_else_ends_is_over(cluster: Cluster) -> None:
    other = Cluster.from_yaml(cluster.file)
    pause = cluster.node(3).pause()
    other.node(3).resume()
    assert not pause.active
    again = cluster.node(3).pause()
    other.node(3).kill()
    other.node(3).start()
    assert not again.active
    assert cluster.faults() == []
    other.close()
    cluster.start()
