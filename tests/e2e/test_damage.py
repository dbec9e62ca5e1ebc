"""Lost disks, flipped bytes and forged history: found, told, and repaired from the peers."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chain_files import Frame, batches, flip, forge, frames
from cluster import Cluster, Node, wait_log
from cluster_fixtures import MakeCluster
from load import Load, Promise, check_kept
from plain_client import LOCAL, NO_QUORUM, OK, REPAIRING, TIMEOUT
from waiting import scaled, wait_until

REFUSED = 65


def fill(cluster: Cluster, writes: int = 300, large: int = 3) -> Promise:
    """A history of several block files."""
    with Load(cluster, writers=2) as load:
        load.wait_progress(writes)
    client = cluster.client()
    for number in range(large):
        key, value = f"large/{number}".encode(), bytes([number]) * 700_000
        assert client.put(key, value).ok
        load.promise.values[key] = value
        load.promise.changes += 1
    cluster.wait_same_heads()
    return load.promise


def set_aside(node: Node) -> list[Path]:
    return node.files("set-aside/*")


# --- a lost disk


def test_an_empty_directory_is_refused_until_the_operator_says_rejoin(cluster: Cluster) -> None:
    promise = fill(cluster)
    node = cluster.others(cluster.leader())[0]
    node.kill()
    node.wipe()
    node.start()
    assert node.wait_exit() == REFUSED
    assert "--rejoin" in node.log_text(), "it says what the operator can do"
    assert not node.files("log/*"), "a refusal leaves nothing behind"

    node.start("--rejoin")
    cluster.wait_serving([node])
    check_kept(cluster, promise)
    assert node.stop() == 0
    node.start()  # without --rejoin: the directory is its own again
    cluster.wait_serving([node])
    check_kept(cluster, promise)


def test_a_node_that_lost_its_disk_does_not_vote_before_it_caught_up(cluster: Cluster) -> None:
    promise = fill(cluster)
    lost, absent, rest = cluster.others(cluster.leader())[0], None, None
    absent, rest = cluster.others(lost)
    lost.kill()
    lost.wipe()
    absent.kill()
    lost.start("--rejoin")
    # Two nodes of three run, and hear each other; but one does not know how it voted.
    lost.wait_status("abstains", lambda status: status["abstaining"])
    wait_until(
        "its peer knows that it abstains",
        lambda: [p for p in rest.status()["peers"] if p["node"] == lost.id and p["abstaining"]],
    )
    reply = rest.client().put(b"unsafe", b"?", deadline=2.0)
    assert reply.code in (NO_QUORUM, TIMEOUT), f"no majority can vote: {reply}"
    assert lost.status()["abstaining"]

    absent.start()
    cluster.wait_serving()
    assert not lost.status()["abstaining"]
    promise.changes += cluster.client().get(b"unsafe").code == OK
    check_kept(cluster, promise)


# --- a flipped byte in a node that is down


def test_a_damaged_identity_is_refused_with_its_file(cluster: Cluster) -> None:
    promise = fill(cluster, large=0)
    node = cluster.others(cluster.leader())[0]
    assert node.stop() == 0
    identity = node.directory / "identity"
    before = identity.read_bytes()
    flip(identity, before.index(b"node ") + 5)
    damaged = identity.read_bytes()
    node.start()
    assert node.wait_exit() == REFUSED
    assert str(identity) in node.log_text()
    assert "--rejoin" in node.log_text()
    assert identity.read_bytes() == damaged, "nothing is repaired silently"

    node.start("--rejoin")
    cluster.wait_serving([node])
    check_kept(cluster, promise)
    assert [file for file in set_aside(node) if file.name.startswith("identity")]


def test_a_flipped_byte_in_the_log_is_told_set_aside_and_repaired(cluster: Cluster) -> None:
    promise = fill(cluster, large=0)
    node = cluster.others(cluster.leader())[0]
    assert node.stop() == 0
    segment = node.files("log/*.log")[0]
    records = [batch for batch in batches(segment) if batch.kind == 2]
    assert len(records) > 10, records
    target = records[len(records) // 2]
    flip(segment, target.offset + 28 + target.payload_bytes // 2)

    check_repair(cluster, node, promise, segment, target.offset)


def first_file(all_frames: list[Frame]) -> tuple[Path, int, int]:
    return all_frames[0].file, 16, 1  # first_height in the file header


def middle(all_frames: list[Frame]) -> tuple[Path, int, int]:
    frame = all_frames[len(all_frames) // 2]
    return frame.file, frame.offset + 24 + 96 + 10, frame.height


def frame_header(all_frames: list[Frame]) -> tuple[Path, int, int]:
    frame = all_frames[len(all_frames) // 3]
    return frame.file, frame.offset + 5, frame.height


def last(all_frames: list[Frame]) -> tuple[Path, int, int]:
    frame = all_frames[-1]
    return frame.file, frame.end - 1, frame.height


@pytest.mark.parametrize("where", [first_file, frame_header, middle, last])
def test_a_flipped_byte_in_a_block_file_is_told_set_aside_and_repaired(
    cluster: Cluster, where: Callable[[list[Frame]], tuple[Path, int, int]]
) -> None:
    promise = fill(cluster)
    node = cluster.others(cluster.leader())[0]
    assert node.stop() == 0
    all_frames = frames(node.directory)
    assert len({frame.file for frame in all_frames}) > 1, "there are several block files"
    file, offset, height = where(all_frames)
    frame_offset = next((f.offset for f in all_frames if f.height == height), 0)
    flip(file, offset)

    run = cluster.command("chain", "verify", "-o", "json", "--data-dir", node.directory)
    assert run.returncode == 7, f"{run.stdout}{run.stderr}"
    assert str(file) in run.stdout and json.loads(run.stdout)
    offsets = {frame_offset, 0} if where is first_file else {frame_offset}
    check_repair(cluster, node, promise, file, *offsets, height=height)


def check_repair(
    cluster: Cluster, node: Node, promise: Promise, file: Path, *offsets: int, height: int = 0
) -> None:
    """The node starts, says what is damaged and where, and fetches it from the others."""
    octets = file.read_bytes()
    seen = len(node.log_text())
    node.start()
    cluster.wait_serving([node])
    check_kept(cluster, promise)

    said = node.log_text()[seen:]
    places = "|".join(str(offset) for offset in offsets)
    assert re.search(rf"{re.escape(str(file))}\D+offset ({places})\b", said), (
        f"the log names file and offset ({places})"
    )
    if height:
        assert re.search(rf"(height|block) {height}\b", said), f"the log names height {height}"
    aside = {copy: copy.read_bytes() for copy in set_aside(node)}
    assert aside, "what was damaged is set aside"
    assert any(copy.name.startswith(file.name) for copy in aside), list(aside)
    # The damaged octets are still there for whoever wants to look: a block file may be cut at the
    # damage, and then the part set aside is the one with the damage.
    tail = octets[-64:] if file.suffix == ".blocks" else octets[:4096]
    assert any(tail in copy for copy in aside.values())

    run = cluster.command("chain", "verify", "-o", "json")
    assert run.returncode == 0, f"{run.stdout}{run.stderr}"
    node.wait_ready()
    # Repaired for good: the next start finds nothing.
    assert node.stop() == 0
    seen = len(node.log_text())
    node.start()
    cluster.wait_serving([node])
    assert "damage" not in node.log_text()[seen:].lower()


# --- damage and forgery while others watch


def test_verify_of_a_running_node_finds_a_flipped_byte_and_the_node_mends_it(
    cluster: Cluster,
) -> None:
    promise = fill(cluster)
    node = cluster.others(cluster.leader())[0]
    target = frames(node.directory)[5]
    flip(target.file, target.offset + 24 + 96 + 4 + 3)

    report = json.loads(node.client().admin("verify").value)
    assert not report["ok"]
    problem = report["problems"][0]
    assert problem["file"] == str(target.file)
    assert problem["offset"] == target.offset
    assert problem["height"] == target.height

    def mended() -> bool:
        again = node.client().admin("verify", deadline=5)
        return again.code == OK and bool(json.loads(again.value)["ok"])

    wait_until("the node repairs itself from its peers", mended, 30)
    cluster.wait_serving([node])
    assert set_aside(node)
    assert str(target.file) in node.log_text()
    check_kept(cluster, promise)


def test_what_a_running_node_repairs_names_the_place_once(cluster: Cluster) -> None:
    fill(cluster)
    node = cluster.others(cluster.leader())[0]
    target = frames(node.directory)[5]
    # Slow links make the repair long enough to look at.
    for other in cluster.others(node):
        assert cluster.fault(other, peer=node.id, delay_ms=300).ok
    flip(target.file, target.offset + 24 + 96 + 4 + 3)
    assert node.client().admin("verify").ok
    reasons: list[str] = []

    def repairs() -> bool:
        reasons.append(node.status()["repair_reason"])
        return "verification found" in reasons[-1]

    wait_until("it says why it repairs", repairs)
    assert reasons[-1].count(str(target.file)) == 1, reasons[-1]
    cluster.heal()
    cluster.wait_serving([node])


def forged_command(command: bytes) -> bytes:
    """alice has another number in the forged history."""
    return command.replace(b"555-0100", b"555-6666")


def test_a_consistently_forged_chain_is_noticed_and_never_read(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.put(b"alice", b"555-0100").ok
    promise = fill(cluster)
    promise.values[b"alice"] = b"555-0100"
    node = cluster.others(cluster.leader())[0]
    rest = cluster.others(node)
    assert node.stop() == 0
    height = forge(node.directory, forged_command)
    assert height > 0
    run = cluster.command("chain", "verify", "--data-dir", node.directory)
    assert run.returncode == 0, f"the forgery is consistent in itself: {run.stdout}{run.stderr}"

    # Slow links make the repair long enough to look at.
    for other in rest:
        assert cluster.fault(other, peer=node.id, delay_ms=400).ok
    seen = len(node.log_text())
    node.start()
    reader = node.client()
    reasons = set()

    def noticed() -> bool:
        read = reader.get(b"alice", deadline=0.5)
        assert not (read.code == OK and read.value != b"555-0100"), f"a forged read: {read}"
        status = node.status()
        if status["repairing"]:
            reasons.add(status["repair_reason"])
            code, text = node.http("/readyz")
            local = reader.get(b"alice", LOCAL, deadline=0.5)
            if node.status()["repairing"]:
                assert (code, text[:9]) == (503, "repairing"), (code, text)
                assert local.code == REPAIRING, local
        return bool(reasons) and not status["repairing"]

    wait_until("the forgery is noticed and repaired", noticed, 40)
    assert any(reasons), "status says why it repairs"
    assert re.search(r"diverg|differ|conflict|another block", node.log_text()[seen:])
    cluster.heal()
    cluster.wait_serving([node])
    check_kept(cluster, promise)
    assert set_aside(node), "the forged blocks are set aside"
    assert any(b"555-6666" in file.read_bytes() for file in set_aside(node))


def test_a_node_in_the_middle_of_its_repair_is_never_called_intact(cluster: Cluster) -> None:
    fill(cluster, writes=100, large=8)
    node = cluster.others(cluster.leader())[0]
    whole = node.status()["height"]
    assert node.stop() == 0
    target = frames(node.directory)[5]
    flip(target.file, target.end - 1)
    # Slow links make the repair long enough to look at.
    for other in cluster.others(node):
        assert cluster.fault(other, peer=node.id, delay_ms=300).ok
    node.start()
    node.wait_status("it repairs", lambda status: bool(status["repairing"]))

    seen = []

    def repaired() -> bool:
        run = cluster.command("chain", "verify", "-o", "json")
        found = json.loads(run.stdout)
        chains = {chain["name"]: chain for chain in found["chains"]}
        assert all(chains[f"node {other.id}"]["ok"] for other in cluster.others(node)), found
        chain = chains[f"node {node.id}"]
        seen.append(chain["verdict"])
        if chain["verdict"] == "intact":
            assert chain["height"] >= whole, f"a part of a chain passes for the whole: {chain}"
            assert run.returncode == 0 and found["ok"], run
            return True
        assert chain["verdict"] == "repairing", chain
        assert run.returncode == 4 and not found["ok"] and not chain["ok"], run
        assert chain["repair"]["from"] == target.height, chain
        assert chain["repair"]["through"] >= whole, chain
        assert chain["height"] <= chain["repair"]["restored"], chain
        assert str(target.file) in chain["error"], chain
        assert len(found["histories"]) == 1, "what it has is a beginning of what the others have"
        return False

    # Not wait_until, which would take a false verdict for "not yet".
    deadline = time.monotonic() + scaled(60)
    while not repaired():
        assert time.monotonic() < deadline, "the node repairs itself"
    assert seen.count("repairing") > 1, f"the repair was seen: {seen}"
    text = cluster.command("chain", "verify")
    assert text.returncode == 0 and "repairing" not in text.stdout, text


def test_a_lagging_node_does_not_hide_that_two_others_diverge(cluster: Cluster) -> None:
    honest = cluster.leader()
    forged, lagging = cluster.others(honest)
    fill(cluster, writes=50, large=0)
    cluster.isolate(lagging)
    assert cluster.client(honest).put(b"alice", b"555-0100").ok
    cluster.wait_same_heads([honest, forged])
    assert forged.stop() == 0
    # Nobody hears anybody from here on, so that nobody notices or mends anything.
    assert cluster.fault(honest, peer=forged.id, block=True, block_incoming=True).ok
    height = forge(forged.directory, forged_command)
    assert height > lagging.status()["height"] > 0
    forged.start()
    forged.wait_status("it runs", lambda status: status["height"] >= height)

    found = cluster.json("chain", "verify", code=7)
    chains = {chain["name"]: chain for chain in found["chains"]}
    names = [f"node {node.id}" for node in (honest, forged, lagging)]
    verdicts = [chains[name]["verdict"] for name in names]
    assert verdicts == ["diverged", "diverged", "intact"], "no majority tells which one is right"
    assert chains[names[1]]["problems"][0]["height"] == height
    groups = {frozenset(history["chains"]) for history in found["histories"]}
    assert groups == {frozenset({names[0], names[2]}), frozenset({names[1], names[2]})}
    text = cluster.command("chain", "verify")
    assert text.returncode == 7
    assert "there are 2 histories" in text.stdout and f"at block {height}" in text.stdout, text


def test_directories_with_different_histories_are_told_apart_without_a_node(
    cluster: Cluster,
) -> None:
    assert cluster.client().put(b"alice", b"555-0100").ok
    fill(cluster)
    cluster.wait_same_heads()
    cluster.stop()
    assert cluster.command("chain", "verify", "--data-dir", cluster.data_dir).returncode == 0
    height = forge(cluster.node(2).directory, forged_command)
    run = cluster.command("chain", "verify", "--data-dir", cluster.data_dir)
    assert run.returncode == 7, f"two histories pass for one: {run.stdout}{run.stderr}"
    assert f"block {height} has the hash" in run.stdout + run.stderr, run.stdout

    # A majority agrees, so it is known who has the other history.
    found = cluster.json("chain", "verify", "--data-dir", cluster.data_dir, code=7)
    verdicts = [chain["verdict"] for chain in found["chains"]]
    assert verdicts == ["intact", "diverged", "intact"], found
    assert [len(history["chains"]) for history in found["histories"]] == [2, 1]
    assert found["histories"][1]["parts_at"] == height


def test_two_of_three_with_different_histories_serve_no_reads(cluster: Cluster) -> None:
    """Nobody can tell which one is forged until the third node is back."""
    client = cluster.client()
    assert client.put(b"alice", b"555-0100").ok
    promise = fill(cluster)
    promise.values[b"alice"] = b"555-0100"
    leader = cluster.leader()
    forged, third = cluster.others(leader)
    assert forged.stop() == 0
    assert forge(forged.directory, forged_command) > 0
    assert third.stop() == 0
    forged.start()

    for node in (leader, forged):
        node.wait_status("the dispute is seen", lambda status: bool(status["repairing"]), 20)
        code, text = node.http("/readyz")
        assert code == 503 and "another history" in text, (code, text)
        reader = node.client()
        for read in (reader.get(b"alice", deadline=0.5), reader.get(b"alice", LOCAL, deadline=0.5)):
            assert read.code != OK, f"a read of a disputed history: {read}"

    third.start()
    cluster.wait_serving()
    check_kept(cluster, promise)
    assert set_aside(forged), "the forged blocks are set aside"


def test_the_chain_of_another_cluster_of_the_same_name_is_noticed(
    make_cluster: MakeCluster,
) -> None:
    cluster = make_cluster().start()
    promise = fill(cluster, large=0)
    other = make_cluster().start()
    with Load(other, writers=2) as load:
        load.wait_progress(100)
    other.wait_same_heads()
    other.stop()
    node = cluster.others(cluster.leader())[0]
    assert node.stop() == 0
    shutil.rmtree(node.directory / "blocks")
    shutil.copytree(other.node(node.id).directory / "blocks", node.directory / "blocks")

    node.start()
    cluster.wait_serving([node])
    check_kept(cluster, promise)
    wait_log(node, r"diverg|differ|conflict|another block|damage")
    assert set_aside(node)
