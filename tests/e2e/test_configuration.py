"""A wrong cluster.yaml or command line, through the real programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster import COMMAND, DAEMON, Cluster
from cluster_fixtures import MakeCluster
from waiting import scaled

USAGE = 64
CONFIGURATION = 78

Edit = Callable[[str], str]


def daemon(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DAEMON), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=scaled(10),
        check=False,
    )


def at_line(text: str, pattern: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if re.search(pattern, line))


@pytest.mark.parametrize(
    ("edit", "line", "words"),
    [
        (lambda t: t + "colour: blue\n", r"colour", r"unknown|colour"),
        (lambda t: t + "timing: {hartbeat: 50ms}\n", r"hartbeat", r"heartbeat"),
        (lambda t: t + "timing: {heartbeat: soon}\n", r"soon", r"50ms|duration|expected"),
        (lambda t: t + "limits: {batch_commands: many}\n", r"many", r"number|expected"),
        (lambda t: t + "ledger: {work_bits: 99}\n", r"99", r"24"),
        (lambda t: t.replace("id: 3", "id: 2"), r"7\d\d|id: 2.*\n?", r"second time"),
        (lambda t: t.replace("127.0.0.1", "0.0.0.0", 1), r"0\.0\.0\.0", r"loopback"),
        (lambda t: t.replace("127.0.0.1", "10.1.2.3", 1), r"10\.1\.2\.3", r"loopback"),
        (lambda t: t.replace("data_dir: data", "data_dir: [1]"), r"data_dir", r"expected"),
        (lambda t: t + "nodes: [\n", r".", r"YAML|expected"),
        (lambda t: t.replace("cluster: e2e\n", ""), r".", r"cluster"),
        (lambda t: t + "security: {keys: here}\n", r"security", r"loopback"),
        (lambda t: t + "---\nfault_injection: true\n", r"^---", r"second YAML document"),
    ],
    ids=(
        "unknown key|misspelt key|no duration|no number|out of range|repeated id|any address|"
        "foreign address|wrong type|no YAML|no name|security|second document"
    ).split("|"),
)
def test_a_wrong_configuration_is_refused_with_file_and_line(
    make_cluster: MakeCluster, edit: Edit, line: str, words: str
) -> None:
    cluster = make_cluster(settings="")
    text = edit(cluster.config.read_text(encoding="utf-8"))
    cluster.config.write_text(text, encoding="utf-8")
    place = re.compile(re.escape(str(cluster.config)) + r":(\d+)(:\d+)?: ")
    for run, code in (
        (daemon("--config", cluster.config, "--node", 1), CONFIGURATION),
        (cluster.command("status"), 2),
    ):
        said = run.stderr + run.stdout
        assert run.returncode == code, f"{run.returncode}: {said}"
        found = place.search(said)
        assert found, f"file and line: {said}"
        lines = [n for n, each in enumerate(text.splitlines(), 1) if re.search(line, each)]
        if line != ".":
            assert int(found[1]) in lines, f"line {lines}: {said}"
        assert re.search(words, said), f"what was expected: {said}"
    assert not cluster.data_dir.exists()


def test_a_repeated_port_is_refused_where_it_stands(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(settings="")
    text = cluster.config.read_text(encoding="utf-8")
    first, second = cluster.node(1), cluster.node(2)
    text = text.replace(str(second.http_port), str(first.client_port))
    cluster.config.write_text(text, encoding="utf-8")
    run = daemon("--config", cluster.config, "--node", 1)
    assert run.returncode == CONFIGURATION
    assert f"{cluster.config}:{at_line(text, 'id: 2')}:" in run.stderr
    assert f"{cluster.config}:{at_line(text, 'id: 1')}:" in run.stderr, "and the first place"
    assert str(first.client_port) in run.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    run = daemon("--config", missing, "--node", 1)
    assert run.returncode == CONFIGURATION and str(missing) in run.stderr
    command = subprocess.run(
        [str(COMMAND), "status", "-f", str(missing)], capture_output=True, text=True, check=False
    )
    assert command.returncode == 2 and str(missing) in command.stderr


def test_an_even_number_of_nodes_is_warned_of_and_works(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(2).start()
    assert cluster.client().put(b"k", b"v").ok
    text = cluster.config.read_text(encoding="utf-8")
    log = cluster.node(1).log_text()
    assert "even number of nodes" in log
    assert f"{cluster.config}:{at_line(text, 'id: 1')}" in log


def test_a_wrong_command_line_is_a_usage_error(make_cluster: MakeCluster) -> None:
    cluster: Cluster = make_cluster()
    for arguments in (
        ["--config", cluster.config],
        ["--config", cluster.config, "--node", "x"],
        ["--config", cluster.config, "--node", 1, "--colour"],
        ["--config", cluster.config, "--node", 1, "--initialise", "--rejoin"],
    ):
        run = daemon(*arguments)
        assert run.returncode == USAGE, f"{arguments}: {run.returncode} {run.stderr}"
    run = daemon("--config", cluster.config, "--node", 9)
    assert run.returncode == CONFIGURATION
    assert "9" in run.stderr and "1 2 3" in run.stderr.replace(",", "")
    assert daemon("--help").returncode == 0
    assert re.search(r"\d+\.\d+", daemon("--version").stdout)
