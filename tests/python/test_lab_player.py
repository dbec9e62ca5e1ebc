"""The player, with a cluster that only notes what it is told: who is meant, and what fails."""

from __future__ import annotations

import threading
from random import Random
from typing import Any, cast

import pytest

from paxledger.cluster import Cluster
from paxledger.errors import BadRequest, NoQuorum
from paxledger.lab import Schedule, at, every
from paxledger.lab.player import Player, Resolver, TargetError
from paxledger.lab.recording import Clock, FaultEvent


class Noted:
    """A fault; `active` until it is undone."""

    def __init__(self, cluster: Noting, text: str) -> None:
        self.active = True
        self._cluster = cluster
        self._text = text

    def undo(self) -> None:
        self._cluster.told.append(f"undo {self._text}")
        self.active = False


class Node:
    def __init__(self, cluster: Noting, node: int) -> None:
        self.id = node
        self.state = "running"
        self._cluster = cluster

    def __getattr__(self, action: str) -> Any:
        states = {"kill": "stopped", "stop": "stopped", "start": "running", "pause": "paused"}

        def act(**options: Any) -> Any:
            self._cluster.told.append(f"{action} {self.id} {options or ''}".strip())
            self.state = states.get(action, "running")
            return self._cluster.fault(f"{action} {self.id}")

        return act


class Noting:
    """Nodes 1 to 5, of which 3 leads."""

    def __init__(self) -> None:
        self.ids = [1, 2, 3, 4, 5]
        self.told: list[str] = []
        self.nodes = {node: Node(self, node) for node in self.ids}
        self.led: int | None = 3
        self.noted: list[Noted] = []

    def node(self, node: int) -> Node:
        return self.nodes[node]

    def leader(self) -> int | None:
        return self.led

    def wait_for_leader(self, timeout: float) -> int:
        if self.led is None or self.nodes[self.led].state != "running":
            raise NoQuorum(f"no leader within {timeout:g} s")
        return self.led

    def fault(self, text: str) -> Noted:
        self.noted.append(Noted(self, text))
        return self.noted[-1]

    def heal(self) -> None:
        self.told.append("heal")
        for fault in self.noted:
            fault.active = False
        for node in self.nodes.values():
            node.state = "running"

    def __getattr__(self, action: str) -> Any:
        def act(*arguments: Any, **options: Any) -> Any:
            if action == "reorder":
                raise BadRequest("not today")
            text = " ".join(str(each) for each in (action, *arguments, options or "")).strip()
            self.told.append(text)
            return self.fault(text)

        return act


def play(
    schedule: Schedule, duration: float = 1.0, seed: int = 1
) -> tuple[list[FaultEvent], Noting, list[str]]:
    cluster, clock = Noting(), Clock()
    events: list[FaultEvent] = []
    lines: list[str] = []
    stop = threading.Event()
    player = Player(
        cast(Cluster, cluster), schedule, duration, Random(seed), clock, events, stop, lines.append
    )
    player.start()
    clock.start()
    player.join(20)
    assert not player.alive()
    assert player.failure is None
    return events, cluster, lines


def test_the_leader_is_the_one_that_leads_then_and_the_text_says_so() -> None:
    (event,), cluster, _ = play(at(0.05).kill("leader"))
    assert cluster.told == ["kill 3"]
    assert (event.action, event.target, event.nodes) == ("kill", "leader", (3,))
    assert event.text == "kill 3 (leader)"
    assert event.planned == 0.05 <= event.start <= event.end
    assert event.breaks and event.cleared is None


def test_followers_and_random_nodes_follow_the_seed_and_are_never_chosen_twice() -> None:
    schedule = at(0.01).partition(["leader", "follower"], ["follower", "random"], "rest")
    chosen = set()
    for seed in range(20):
        (event,), cluster, _ = play(schedule, seed=seed)
        assert event.nodes[0] == 3
        assert sorted(event.nodes) == [1, 2, 3, 4, 5]
        chosen.add(tuple(event.nodes))
        again, _, _ = play(schedule, seed=seed)
        assert again[0].nodes == event.nodes
    assert len(chosen) > 5, "chance takes part"
    assert cluster.told[0].startswith("partition [3, ")


def test_an_id_in_an_action_is_not_chosen_by_chance_for_another_place() -> None:
    for seed in range(20):
        (event,), _, _ = play(at(0.0).drop("random", 5, 0.5), seed=seed)
        assert event.nodes[0] != 5 == event.nodes[1]


def test_what_lasts_is_undone_after_its_time_and_the_record_says_when() -> None:
    (fault, undo), cluster, _ = play(at(0.05).isolate("leader", one_way="in", lasting=0.2))
    assert cluster.told == ["isolate 3 {'one_way': 'in'}", "undo isolate 3 {'one_way': 'in'}"]
    assert undo.action == "undo" and not undo.breaks
    assert fault.text == "isolate 3 in (leader)"
    assert fault.cleared is not None
    assert 0.25 <= fault.cleared < 0.6
    assert undo.planned == pytest.approx(fault.end + 0.2)


def test_heal_clears_what_is_broken_and_nothing_is_undone_after_it() -> None:
    schedule = at(0.02).kill(1, lasting=0.3) + at(0.04).fail_link(2, 4) + at(0.1).heal()
    events, cluster, _ = play(schedule)
    assert [each.action for each in events] == ["kill", "fail_link", "heal"]
    assert cluster.told == ["kill 1", "fail_link 2 4", "heal"]
    assert all(each.cleared is not None and each.cleared >= 0.1 for each in events[:2])


def test_a_stopped_node_that_lasts_is_started_again() -> None:
    events, cluster, _ = play(at(0.02).stop(2, lasting=0.1))
    assert cluster.told == ["stop 2", "start 2"]
    assert events[0].cleared is not None


def test_random_means_a_node_that_the_action_makes_sense_for() -> None:
    schedule = at(0.01).stop(4) + at(0.03).start("random") + at(0.05).pause(2)
    events, cluster, _ = play(schedule + at(0.07).resume("random"))
    assert cluster.told == ["stop 4", "start 4", "pause 2", "resume 2"]
    assert [each.error for each in events] == [""] * 4


def test_a_failed_action_is_recorded_told_and_does_not_stop_the_others() -> None:
    schedule = at(0.01).reorder(1, 2, 0.5) + at(0.03).resume("random") + at(0.05).heal()
    events, cluster, lines = play(schedule)
    assert [each.error for each in events] == [
        "BadRequest: not today",
        "TargetError: no paused node is there to be the 'random' one",
        "",
    ]
    assert not events[0].breaks
    assert cluster.told == ["heal"]
    assert "at(0.01).reorder(1, 2, probability=0.5) failed at" in lines[0]


def test_the_function_of_a_call_gets_the_cluster_and_its_mistakes_are_recorded() -> None:
    seen: list[object] = []

    def look(cluster: Cluster) -> None:
        seen.append(cluster)
        raise RuntimeError("nothing to see")

    (event,), cluster, _ = play(at(0.01).call(look))
    assert seen == [cluster]
    assert (event.text, event.error) == ("call look", "RuntimeError: nothing to see")
    (event,), _, _ = play(Schedule.from_list(at(0.01).call(look).to_list()))
    assert "not known" in event.error


def test_a_missing_leader_is_an_error_with_its_reason() -> None:
    cluster = Noting()
    cluster.led = None
    with pytest.raises(TargetError, match=r"no leader for 5 s: no leader within 5 s"):
        Resolver(cast(Cluster, cluster), Random(1)).find("leader", "kill", set())


def test_an_action_that_hangs_is_recorded_as_interrupted_and_nothing_after_it() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang(_: Cluster) -> None:
        begun.set()
        go_on.wait(30)

    cluster, clock = Noting(), Clock()
    events: list[FaultEvent] = []
    schedule = at(0.0).call(hang) + at(0.01).heal()
    player = Player(
        cast(Cluster, cluster), schedule, 1.0, Random(1), clock, events, threading.Event(),
        lambda line: None,
    )  # fmt: skip
    player.start()
    clock.start()
    try:
        assert begun.wait(10)
        player.abandon(patience=0.01)
        assert player.alive()
        assert [(each.text, each.error) for each in events] == [
            ("call hang", "interrupted while it was under way; it went on by itself")
        ]
    finally:
        go_on.set()
        player.join(20)
    assert len(events) == 1, "a result that was handed out does not change any more"
    assert cluster.told == []


def test_actions_come_in_the_order_of_time_and_not_before_it() -> None:
    events, _, _ = play(every(0.05, until=0.3).pause("random") + at(0.12).heal(), duration=0.4)
    assert [each.planned for each in events] == sorted(each.planned for each in events)
    assert all(each.start >= each.planned for each in events)
    assert all(each.start - each.planned < 0.2 for each in events)
    assert len(events) == 7
