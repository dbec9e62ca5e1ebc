"""Simulated clusters that are told what happens."""

from __future__ import annotations

import _thread
import json
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import matplotlib.pyplot as plt
import pytest

from paxledger import sim
from paxledger.errors import BadRequest, TooLarge
from paxledger.lab import at, every
from waiting import scaled


def a_hash(seed: int) -> str:
    return str(sim.run_world(seed=seed, duration=2.0, faults="all").outcome["trace_hash"])


@pytest.fixture
def world() -> sim.World:
    made = sim.World(nodes=3, seed=1)
    made.run(until=1.0)
    return made


# ---- equal seeds


def test_equal_seeds_give_equal_runs_in_threads_and_in_processes() -> None:
    seeds = list(range(6))
    here = [a_hash(seed) for seed in seeds]
    assert len(set(here)) == len(seeds)
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(a_hash, seeds)) == here
    with ProcessPoolExecutor(2) as processes:
        assert list(processes.map(a_hash, seeds)) == here


def test_neither_pieces_nor_records_change_a_run() -> None:
    whole = sim.World(seed=5, workload=sim.Workload(), faults="all", events=False, interval=1.0)
    whole.run(until=3.0)
    pieces = sim.World(seed=5, workload=sim.Workload(), faults="all")
    while pieces.now < 1.0:
        pieces.step()
    for number in range(11, 31):
        pieces.run(until=max(pieces.now, number / 10))
    assert pieces.trace_hash == whole.trace_hash
    assert pieces.finish() == whole.finish() == "passed"
    assert pieces.outcome == whole.outcome


def test_chance_may_rewrite_the_blocks_of_a_node_which_finds_out() -> None:
    world = sim.World(nodes=3, seed=4, faults="forgery", workload=sim.Workload())
    world.run(until=2.0)
    assert world.finish() == "passed", world.failure
    names = list(world.events["name"])
    assert "forge" in names and "diverged" in names[names.index("forge") :], "it has found out"


def test_a_drawn_plan_is_what_the_command_line_runs() -> None:
    world = sim.World.from_plan(sim.draw_plan(3), events=False)
    assert (world.seed, len(world.ids)) == (3, 5)
    world.run(until=world.plan["safety_phase_ms"] / 1000)
    assert world.finish() == "passed"


# ---- faults


def test_the_words_of_a_cluster_break_and_mend_links(world: sim.World) -> None:
    with world.partition([1], [2, 3]) as cut:
        assert sorted(world.link_faults()) == [(1, 2), (1, 3), (2, 1), (3, 1)]
        with world.delay(2, 3, 0.01, jitter=0.005, one_way=True):
            assert str(world.link_faults()[2, 3]) == "delay 10 ms + up to 5 ms"
        assert cut.active
    assert world.link_faults() == {}
    kinds = [json.loads(text)["kind"] for _, text, _ in world._simulation.faults()]
    assert kinds == ["cut", "disturb", "disturb", "mend"]


def test_a_one_way_cut_loses_one_direction_only(world: sim.World) -> None:
    world.fail_link(1, 2, one_way=True)
    begun = world.now
    world.run(for_=0.3)
    events = world.events
    since = events[(events["time"] > begun) & events["event"].isin(["message", "lost"])]
    said = since[(since["node"] == 1) & (since["peer"] == 2)]
    heard = since[(since["node"] == 2) & (since["peer"] == 1)]
    assert set(said["event"]) == {"lost"}
    assert set(heard["event"]) == {"message"}


def test_a_leader_that_is_cut_off_is_replaced(world: sim.World) -> None:
    first = world.wait_for_leader()
    world.isolate(first)
    world.run(for_=2.0)
    assert world.leader() not in (first, None)
    world.heal()
    world.run(for_=1.0)
    assert set(world.status()["lag"]) == {0}
    assert world.finish() == "passed"


def test_a_schedule_of_the_laboratory_names_roles_when_the_time_comes() -> None:
    steps = every(2.0).kill("leader", lasting=1.0) + at(3.5).pause("follower", lasting=0.2)
    result = sim.run(seed=2, duration=7.0, faults=steps)
    kills = result.faults[result.faults["action"] == "kill"]
    assert len(kills) == 3 and not (kills["error"] != "").any()
    for kill in kills.itertuples():
        led = result.leaders[(result.leaders["start"] < kill.start)]
        assert str(led.iloc[-1]["node"]) == kill.nodes
    assert (result.gaps()["elected"] < 2.0).all()
    assert result.metadata["verdict"] == "passed"
    assert result.schedule == steps


def test_each_fault_of_a_node_shows(world: sim.World) -> None:
    world.crash(1)
    assert world.node(1).state == "stopped"
    world.start(1)
    world.pause(2)
    assert world.node(2).state == "paused"
    world.resume(2)
    world.slow_disk(2, 0.1)
    world.clock_jump(3, -5.0)
    world.clock_rate(3, 1.1)
    world.restart(3)
    world.run(for_=1.0)
    faults = world.result().faults
    assert list(faults["action"]) == [
        "crash", "start", "pause", "resume", "slow_disk", "clock_jump", "clock_rate", "kill",
        "start",
    ]  # fmt: skip
    assert not faults[faults["breaks"]]["cleared"].isna().any(), "all of it was mended"
    assert world.finish() == "passed"


def test_a_disk_that_refuses_ends_its_node_until_it_is_started() -> None:
    for fault in ("fail_sync", "fail_write", "full_disk"):
        world = sim.World(seed=4, workload=sim.Workload(clients=4))
        world.run(until=1.0)
        leader = world.wait_for_leader()
        getattr(world, fault)(leader)
        while world.node(leader).state == "running":
            assert world.now < 30, f"{fault} never mattered"
            world.run(for_=0.5)
        ended = world.now
        assert all(
            row["end"] <= ended for row in world.leaderships() if str(row["node"]) == str(leader)
        )
        world.heal()
        assert world.node(leader).state == "running"
        faults = world.result().faults
        assert list(faults["action"]) == [fault, "heal"]
        assert not faults[faults["breaks"]]["cleared"].isna().any()
        assert world.finish() == "passed"


def test_a_full_disk_has_room_again_after_a_while() -> None:
    world = sim.World(seed=4, workload=sim.Workload(clients=4))
    world.full_disk(2, 0.5)
    world.run(until=0.6)
    assert world.node(2).state == "stopped"
    world.start(2)
    world.run(for_=1.0)
    assert world.node(2).state == "running"
    assert world.finish() == "passed"


def test_flipped_bits_are_found_by_the_node_that_has_them() -> None:
    world = sim.World(seed=4, workload=sim.Workload(clients=4))
    world.run(until=2.0)
    for _ in range(40):
        world.flip_bit(3)
    world.restart(3)
    events = world.events
    told = events[(events["event"] == "notice") & (events["node"] == 3)]["text"]
    assert any("is damaged: " in text or "are damaged: " in text for text in told)
    assert world.finish() == "passed"


def test_a_crash_is_told_what_becomes_of_what_was_not_synced() -> None:
    for unsynced in ("lost", "kept", "random", "torn"):
        world = sim.World(seed=4, workload=sim.Workload(clients=4))
        world.at(1.0).crash(2, unsynced, lasting=0.5)
        world.run(until=2.0)
        assert world.finish() == "passed"
    with pytest.raises(ValueError, match="unsynced is one of lost, kept, random, torn, not 'gone'"):
        world.crash(1, unsynced="gone")


def test_patience_that_ends_in_a_pause_by_hand_is_no_broken_promise() -> None:
    world = sim.World(seed=1, workload=sim.Workload(clients=4, patience=0.05))
    world.run(until=1.0)
    leader = world.wait_for_leader()
    world.put(leader, "k", "v", patience=0.01)
    world.pause(leader)
    world.run(for_=0.5)
    assert world.failure == ""
    world.resume(leader)
    assert world.finish() == "passed"


def test_a_majority_of_lost_disks_is_told_honestly(world: sim.World) -> None:
    world.put(1, "k", "v")
    world.run(for_=0.5)
    for node in (2, 3):
        world.wipe(node)
    assert world.finish() == "liveness"
    assert "abstaining repairing" in world.failure, "who lost his disk votes no more"
    assert world.result().metadata["verdict"] == "liveness"
    assert "liveness" in repr(world)


# ---- requests


def test_a_request_is_answered_and_stored_everywhere(world: sim.World) -> None:
    put = world.put(1, "alice", "555-0100")
    assert put.outcome == "unfinished" and put.latency is None
    world.run(for_=0.2)
    assert put.outcome == "ok" and put.latency is not None and put.latency < 0.1
    assert all(world.kv(node) == {b"alice": b"555-0100"} for node in world.ids)
    got, missing = world.get(2, b"alice"), world.get(3, "bob")
    gone = world.delete(3, "alice")
    world.run(for_=0.2)
    assert (got.value, missing.outcome, gone.outcome) == (b"555-0100", "not_found", "ok")
    assert world.get(1, "alice", local=True).outcome == "not_found"
    operations = [repr(each) for block in world.chain() for each in block.operations]
    assert operations[1:] == ["put(b'alice', b'555-0100')", "remove(b'alice')"]
    world.chain().verify()
    assert list(world.result().operations["kind"]) == ["put", "get", "get", "delete", "get"]
    assert world.finish() == "passed"


def test_requests_of_clients_and_by_hand_are_judged_together() -> None:
    world = sim.World(seed=3, workload=sim.Workload(clients=3, keys=1, reads=0.5))
    for moment in range(10, 30):
        world.at(moment / 10).put("random", "key0", f"by hand {moment}")
    world.at(1.55).kill("leader", lasting=0.3)
    world.run(until=4.0)
    assert len(world.requests) == 20
    assert world.finish() == "passed"
    assert world.outcome["undecided_histories"] == 0


def test_a_request_without_a_majority_stays_without_effect(world: sim.World) -> None:
    leader = world.wait_for_leader()
    world.isolate(leader)
    lost = world.put(leader, "k", "v", patience=1.0)
    world.run(for_=1.5)
    assert lost.outcome in ("no_quorum", "timeout")
    assert world.finish() == "passed"


# ---- looking


def test_a_step_is_one_thing_that_happens() -> None:
    world = sim.World(seed=1)
    seen = 0
    while world.now < 0.3:
        events = world.step()
        assert {event.time for event in events} <= {world.now}
        seen += len(events)
    assert seen == len(world.events)
    world.at(0.5).put(1, "k", "v")
    while world.now < 0.6:
        world.step()
    assert len(world.requests) == 1


def test_the_table_and_the_notebook_view_show_every_node(world: sim.World) -> None:
    world.kill(3)
    shown = world._repr_html_()
    assert "stopped" in shown and "★ leader" in shown and "node 3 killed" in shown
    assert list(world.status()["state"]) == ["running", "running", "stopped"]


def test_a_diagram_has_an_arrow_for_each_message_and_hides_heartbeats(world: sim.World) -> None:
    axes = world.diagram(0.1, 0.3)
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert "Prepare / Promise" in labels and "Heartbeat" not in labels
    assert "Heartbeat" in {
        text.get_text() for text in world.diagram(0.1, 0.3, kinds=["Heartbeat"]).get_legend().texts
    }
    assert any(text.get_text().startswith("leads 1.") for text in axes.texts)
    plt.close("all")


# ---- bad input


@pytest.mark.parametrize(
    ("arguments", "failure", "said"),
    [
        ({"nodes": 10}, ValueError, "nodes is a whole number from 1 to 9, not 10"),
        ({"seed": -1}, ValueError, "seed is a whole number"),
        ({"faults": "earthquakes"}, ValueError, "not 'earthquakes'"),
        ({"faults": ["crashes", "x"]}, ValueError, "not 'x'"),
        ({"disk": 0}, ValueError, "disk is a number"),
        ({"workload": 3}, TypeError, "workload is a sim.Workload, not 3"),
        ({"timing": {}}, TypeError, "timing is a sim.Timing"),
        ({"interval": 0}, ValueError, "interval is a number"),
    ],
)
def test_bad_settings_are_refused(
    arguments: dict[str, Any], failure: type[Exception], said: str
) -> None:
    with pytest.raises(failure, match=said):
        sim.World(**arguments)


def test_bad_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="a leader must be heard of"):
        sim.Timing(heartbeat=0.5, election_timeout=0.4)
    with pytest.raises(ValueError, match=r"batch_wait is 0.08 s and resend is 0.15 s"):
        sim.Timing(batch_wait=0.08)
    with pytest.raises(ValueError, match="batch_wait is a number from 0 to 3,600 seconds, not -1"):
        sim.Timing(batch_wait=-1)
    with pytest.raises(ValueError, match="latency is"):
        sim.Network(latency=(0.2, 0.1))
    with pytest.raises(ValueError, match="reads is a number from 0 to 1, not 2"):
        sim.Workload(reads=2)
    with pytest.raises(TypeError, match='faults are "all"'):
        sim.run(faults=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("{", "the plan is not JSON"),
        ({"nodes": "three"}, "nodes: expected a whole number from 0 on"),
        ({"nodes": 3, "colour": 1}, "colour: there is no such member"),
        ({"network": {"latency_us_min": 9, "latency_us_max": 1}}, "latency_us_min <="),
        ({"script": [{"at_ns": 1, "kind": "kill", "node": 7}]}, "expected 1 to 3, found 7"),
    ],
)
def test_a_broken_plan_names_the_member(plan: Any, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        sim.World.from_plan(plan)


def test_what_cannot_be_is_said(world: sim.World) -> None:
    with pytest.raises(BadRequest, match="there is no node 4 in this world, only 1, 2, 3"):
        world.kill(4)
    with pytest.raises(ValueError, match="names node 9"):
        world.at(2.0).kill(9)
    with pytest.raises(ValueError, match="it is 1 s already"):
        world.at(0.5)
    with pytest.raises(ValueError, match="time does not run back"):
        world.run(until=0.5)
    with pytest.raises(ValueError, match="either until= or for_="):
        world.run()
    with pytest.raises(BadRequest, match="empty"):
        world.put(1, "", "v")
    with pytest.raises(TooLarge):
        world.put(1, "k", "v" * 5_000_000)
    with pytest.raises(TypeError, match="a value is a text or bytes, not 3"):
        world.put(1, "k", 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="messages are"):
        world.diagram(kinds=["Gossip"])
    world.kill(1)
    with pytest.raises(BadRequest, match="node 1 is down"):
        world.put(1, "k", "v")
    with pytest.raises(ValueError, match="events=False"):
        _ = sim.World(events=False).events


def test_ctrl_c_ends_a_long_run_soon() -> None:
    world = sim.World(nodes=5, workload=sim.Workload(clients=20, think=0.001), events=False)
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.perf_counter())
        _thread.interrupt_main()

    timer = threading.Timer(0.5, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        world.run(until=50_000)
    assert time.perf_counter() - pressed[0] < scaled(0.2)
    assert 0 < world.now < 50_000
    timer.join()


def test_ctrl_c_ends_a_long_end_soon_and_finish_goes_on_from_there() -> None:
    def world() -> sim.World:
        # What the node held when it went down makes clients wait for long, among many heartbeats.
        world = sim.World(
            seed=6,
            nodes=9,
            timing=sim.Timing(heartbeat=0.001, election_timeout=0.1),
            workload=sim.Workload(clients=40, patience=18.0),
            events=False,
        )
        world.run(until=0.5)
        leader = world.leader()
        assert leader is not None
        world.kill(leader)
        return world

    interrupted = world()
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.perf_counter())
        _thread.interrupt_main()

    timer = threading.Timer(0.2, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        interrupted.finish()
    assert time.perf_counter() - pressed[0] < scaled(0.2)
    timer.join()
    assert interrupted.finish() == "passed"
    assert interrupted.outcome["trace_hash"] == world().outcome["trace_hash"]
