"""What the load generator tells when the cluster fails under it."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster import COMMAND, Cluster
from waiting import scaled

WORD = re.compile(
    r"(?P<phase>warm-up: )?begun (?P<begun>[\d,]+) = completed (?P<completed>[\d,]+)"
    r" \+ failed (?P<failed>[\d,]+) \+ (?:under way|unfinished) (?P<unfinished>[\d,]+)"
    r"(?: \(oldest (?P<oldest>[\d.]+) ms\))?"
)


def words(text: str) -> list[dict[str, float]]:
    """The sums that a text tells of the measured time, each checked to add up."""
    found = []
    for match in WORD.finditer(text):
        word = {
            name: float((match[name] or "0").replace(",", ""))
            for name in ("begun", "completed", "failed", "unfinished", "oldest")
        }
        assert word["begun"] == word["completed"] + word["failed"] + word["unfinished"], match[0]
        if not match["phase"]:
            found.append(word)
    return found


@contextlib.contextmanager
def bench(cluster: Cluster, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs. At the end it does not, and every node goes on."""
    command = [str(COMMAND), "bench", "-f", str(cluster.config), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as run:
        try:
            yield run
        finally:
            run.kill()
            for node in cluster.nodes:
                node.resume()


def read_words(run: subprocess.Popen[str], enough: Callable[[dict[str, float]], bool]) -> str:
    """Reads what it tells on the way until one word is enough."""
    assert run.stderr is not None
    told = ""
    while not any(enough(word) for word in words(told)):
        line = run.stderr.readline()
        assert line, f"it ended before it told that: {told}"
        told += line
    return told


@pytest.mark.parametrize(
    ("loop", "patience"),
    [
        (("--outstanding", 8), ("--deadline", "30s", "--grace", "500ms")),
        (("--outstanding", 8), ("--deadline", "1s")),
        (("--rate", 100), ("--deadline", "30s", "--grace", "500ms")),
        (("--rate", 100), ("--deadline", "1s")),
    ],
    ids=["closed-unfinished", "closed-failed", "open-unfinished", "open-failed"],
)
def test_an_outage_is_no_idle_time(
    cluster: Cluster, loop: tuple[object, ...], patience: tuple[object, ...]
) -> None:
    time = ("--warm-up", "200ms", "--duration", "4s")
    with bench(cluster, *loop, *patience, *time, "-o", "json") as run:
        told = read_words(run, lambda word: word["completed"] > 0)
        for node in cluster.others(cluster.leader()):
            node.pause()
        out, rest = run.communicate(timeout=scaled(60))
    code, told = run.returncode, told + rest
    result: dict[str, Any] = json.loads(out)
    lost = result["failed"] + result["unfinished"]
    assert code in (4, 5), f"the outage passes for a success: {code} {result}"
    assert not result["ok"] and lost > 0, result
    assert result["begun"] == result["completed"] + lost, result
    assert sum(result["errors"].values()) == result["failed"], result
    if "--grace" in patience:
        assert result["unfinished"] >= 8 and code == 5, result
        assert "UNFINISHED" in told, told
        waited = result["oldest_unfinished_ms"]
    else:
        assert result["unfinished"] == 0 and result["failed"] >= 8, result
        assert "FAILED" in told, told
        waited = 1000
    assert waited > 900, "a stuck request is as old as it is"
    assert result["latency_ms"]["max"] >= waited, "what got stuck is not left out"
    if loop[0] == "--rate":
        assert result["begun"] >= 4 * 100, "an open loop goes on beginning"
        assert result["latency_ms"]["p50"] > 0 and lost > 50, result

    # The words on the way and the result are of one piece.
    on_the_way = words(told)
    assert any(word["oldest"] > 900 for word in on_the_way), f"no word tells of the stall: {told}"
    last = on_the_way[-1]
    for name in ("begun", "completed", "failed", "unfinished"):
        assert last[name] == result[name], (name, last, result)


def test_text_and_json_tell_the_same_sums_and_a_good_run_ends_well(cluster: Cluster) -> None:
    run = cluster.command("bench", "--duration", "300ms", "--warm-up", "100ms")
    assert run.returncode == 0, run
    told = words(run.stderr)[-1]
    result = words(run.stdout)[-1]
    assert told == result and result["begun"] > 0
    assert result["failed"] == result["unfinished"] == 0
    assert "paxledger:" not in run.stderr, "nothing is wrong, and nothing is said to be"
    assert run.stderr.endswith("the keys bench/… stay in the database\n"), run.stderr
    assert "bench/" in cluster.command("bench", "--help").stdout


def test_a_cluster_that_heals_in_time_shows_the_stall_and_no_loss(cluster: Cluster) -> None:
    arguments = ("--duration", "4s", "--warm-up", "0s", "--outstanding", 4, "--deadline", "30s")
    with bench(cluster, *arguments, "-o", "json") as run:
        read_words(run, lambda word: word["completed"] > 0)
        others = cluster.others(cluster.leader())
        for node in others:
            node.pause()
        read_words(run, lambda word: word["oldest"] > 900)
        for node in others:
            node.resume()
        out, told = run.communicate(timeout=scaled(60))
    result = json.loads(out)
    assert run.returncode == 0 and result["ok"], f"{result}\n{told}"
    assert result["begun"] == result["completed"] > 0
    assert result["latency_ms"]["max"] > 900, "the stall shows"
