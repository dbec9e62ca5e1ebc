"""The public client protocol: exactly once, limits, and its documented example."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from cluster import ROOT, Cluster
from cluster_fixtures import SMALL_FILES, MakeCluster
from plain_client import (
    BAD_REQUEST,
    COMPARE_AND_PUT,
    EXECUTE,
    LINEARIZABLE,
    NOT_FOUND,
    OK,
    OVERLOADED,
    PUT,
    READ,
    SESSION_EXPIRED,
    TOO_LARGE,
    Command,
    Connection,
    PlainClient,
    Reply,
)
from waiting import scaled, wait_until

MIB = 1 << 20


def test_the_documented_example_works_as_it_stands(cluster: Cluster, tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/client-protocol.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert examples, "the page has an example"
    endpoint = cluster.node(2).endpoint
    before = cluster.node(2).status()["revision"]
    for number, example in enumerate(examples):
        assert not re.search(r"^\s*(import|from) paxledger", example, re.M)
        script = tmp_path / f"example{number}.py"
        code = re.sub(r"tcp://127\.0\.0\.1:\d+|tcp://localhost:\d+", endpoint, example)
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        run = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            capture_output=True,
            text=True,
            timeout=scaled(30),
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
    assert cluster.node(2).status()["revision"] > before, "the example has written something"


# --- exactly once


def test_a_command_sent_ten_times_to_two_nodes_is_applied_once(cluster: Cluster) -> None:
    client = PlainClient([cluster.node(1).endpoint])
    assert client.open().ok
    command = client.next_command(COMPARE_AND_PUT, b"counter", b"1", argument=0)
    connections = [Connection(cluster.node(1).endpoint), Connection(cluster.node(2).endpoint)]
    requests = []
    for _ in range(10):
        for connection in connections:
            request = connection.new_id()
            connection.post([EXECUTE, request, 5000, command.octets()])
            requests.append((connection, request))
    replies = [connection.wait(request, scaled(5)) for connection, request in requests]
    assert all(replies), "each of them is answered"
    results = {(reply.code, reply.revision) for reply in replies if reply}
    assert results == {(OK, 1)}, "and with the first result: a second try would not compare"

    cluster.kill()
    cluster.start()
    for node in cluster.nodes:
        with_node = node.client()
        reply = with_node.execute(command)
        assert (reply.code, reply.revision) == (OK, 1), f"after a restart too: {reply}"
    assert cluster.client().get(b"counter").revision == 1
    for connection in connections:
        connection.close()
    client.close()


def test_commands_of_a_session_may_overtake_each_other(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.open().ok
    connection = Connection(cluster.leader().endpoint)
    sequences = [5, 3, 1, 4, 2]
    for sequence in sequences:
        command = Command(PUT, client.session, sequence, 0, 0, b"k%d" % sequence, b"v")
        connection.post([EXECUTE, sequence, 5000, command.octets()])
    for sequence in sequences:
        reply = connection.wait(sequence, scaled(5))
        assert reply is not None and reply.ok, reply
    assert len(client.scan(b"k")) == 5
    connection.close()


def test_an_unknown_or_forgotten_session_is_told_so(cluster: Cluster) -> None:
    client = cluster.client()
    command = Command(PUT, client.session, 1, 0, 0, b"k", b"v")
    assert client.execute(command).code == SESSION_EXPIRED
    assert client.open(milliseconds=1000).ok
    assert client.execute(command).ok
    other = cluster.client()

    def expired() -> bool:
        # Time is that of the blocks: each of these writes brings one with a timestamp.
        assert other.put(b"tick", b"").ok
        sessions = {node.status()["sessions"] for node in cluster.nodes}
        return sessions == {1}

    wait_until("a silent session expires on all nodes", expired, interval=0.1)
    assert client.execute(command).code == SESSION_EXPIRED
    assert client.get(b"k").code == OK


# --- limits


def test_keys_and_values_have_limits(cluster: Cluster) -> None:
    cases = [
        (PUT, b"", b"v", BAD_REQUEST),
        (READ, b"", b"", BAD_REQUEST),
        (PUT, b"k" * 4096, b"v", OK),
        (PUT, b"k" * 4097, b"v", TOO_LARGE),
        (PUT, b"k" * 70_000, b"v", BAD_REQUEST),  # its length does not fit into the field
        (PUT, b"k", b"v" * MIB, OK),
        (PUT, b"k", b"v" * (MIB + 1), TOO_LARGE),
        (PUT, b"k", b"v" * (3 * MIB), TOO_LARGE),
        (99, b"k", b"v", BAD_REQUEST),
    ]
    leader = cluster.leader()
    for node in (leader, cluster.others(leader)[0]):
        client = node.client()
        assert client.open().ok
        for kind, key, value, code in cases:
            what = f"kind {kind}, key of {len(key)}, value of {len(value)}"
            reply = client.execute(client.next_command(kind, key, value), deadline=10)
            assert reply.code == code, f"{what}: {reply.code} {reply.message}"
            if code == OK:
                assert client.get(key).value == value
            else:
                assert reply.message, f"{what}: it says what is wrong"


def test_reads_have_the_same_limits(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.get(b"").code == BAD_REQUEST
    assert client.get(b"k" * 4096).code == NOT_FOUND
    assert client.get(b"k" * 4097).code == TOO_LARGE


def test_a_client_that_floods_is_told_overloaded_and_nothing_is_lost(
    make_cluster: MakeCluster,
) -> None:
    limits = SMALL_FILES.replace("}", ", queue_commands: 200, client_outstanding: 500}")
    cluster = make_cluster(settings=limits).start()
    node = cluster.leader()
    client = cluster.client()
    assert client.open().ok
    connection = Connection(node.endpoint)
    requests = 4000
    for sequence in range(1, requests + 1):
        command = Command(PUT, client.session, sequence, 0, 0, b"f%04d" % sequence, b"x" * 1000)
        connection.post([EXECUTE, sequence, 20_000, command.octets()])
    replies: dict[int, Reply] = {}
    for sequence in range(1, requests + 1):
        reply = connection.wait(sequence, scaled(20))
        assert reply is not None, f"{len(replies)} of {requests} answered"
        replies[sequence] = reply
    codes = {reply.code for reply in replies.values()}
    assert codes == {OK, OVERLOADED}, codes
    found = {key: item.value for key, item in client.scan(b"f").items()}
    expected = {b"f%04d" % sequence for sequence, reply in replies.items() if reply.ok}
    assert set(found) == expected, "what was refused had no effect; what was acknowledged is there"
    connection.close()
    assert cluster.client(node).get(b"f0001", LINEARIZABLE).code in (OK, NOT_FOUND)


def test_blocks_of_any_height_can_be_read_and_none_above_the_head(cluster: Cluster) -> None:
    client = cluster.client()
    assert client.put(b"k", b"v").ok
    head = client.chain(1)
    assert head.ok and head.first == 1 and len(head.blocks) == head.height
    beyond = client.chain(head.height + 1_000_000)
    assert beyond.ok and not beyond.blocks and beyond.height >= head.height
    assert client.chain(0).code == BAD_REQUEST
