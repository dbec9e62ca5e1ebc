"""What README and docs/ say is executed, and what they name exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import BIN_DIR, COMMAND, DAEMON, ROOT, Cluster
from cluster_fixtures import MakeCluster
from waiting import scaled

PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]
    + [*ROOT.glob("tests/**/README.md")]
)
REFERENCE = ROOT / "docs/reference"


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str = "") -> list[str]:
    """The fenced blocks of a page that name this language, or none."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def commands(page: Path) -> list[str]:
    """The lines of its plain blocks that call Paxledger's programs, without their comments."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    stripped = [re.sub(r"\s+#.*", "", line).strip() for line in lines]
    pattern = r"(build/bin/)?paxledger |python3 python/"
    return [line for line in stripped if re.match(pattern, line)]


@pytest.fixture
def demo(make_cluster: MakeCluster) -> Iterator[Cluster]:
    """Five nodes as in the cluster.yaml of the repository, on ports of their own."""
    cluster = make_cluster(5, name="demo")
    text = (ROOT / "cluster.yaml").read_text(encoding="utf-8")
    for node in cluster.nodes:
        for first, port in ((7100, node.client_port), (7200, node.peer_port)):
            text = text.replace(f"tcp://127.0.0.1:{first + node.id}", f"tcp://127.0.0.1:{port}")
        text = text.replace(f"127.0.0.1:{7300 + node.id}", f"127.0.0.1:{node.http_port}")
    cluster.config.write_text(text, encoding="utf-8")
    (cluster.root / "build").mkdir()
    (cluster.root / "build/bin").symlink_to(BIN_DIR)
    (cluster.root / "python").symlink_to(ROOT / "python")
    try:
        up = cluster.command("up")
        assert up.returncode == 0, up.stderr
        yield cluster
    finally:
        assert cluster.command("down").returncode == 0


def run(cluster: Cluster, line: str) -> None:
    """Runs a documented line in the cluster's folder; what stands for a value gets one."""
    for node in cluster.nodes:
        line = line.replace(f"127.0.0.1:{7100 + node.id}", f"127.0.0.1:{node.client_port}")
    if "--data-dir" in line or " DIR" in line:  # of nodes that do not run
        assert cluster.command("down").returncode == 0
        line = line.replace(" DIR", f" {cluster.node(1).directory}")
    elif not re.search(r"paxledger (up|down)\b", line) and not list(cluster.data_dir.glob("*.pid")):
        assert cluster.command("up").returncode == 0
    if " HEX" in line:
        head = cluster.json("chain", "verify", "--data-dir", cluster.node(1).directory)
        line = line.replace(" HEX", f" {head['chains'][0]['head']}")
    for name in re.findall(r"< (\S+)", line):
        (cluster.root / name).write_bytes(bytes(range(256)))
    line = re.sub(r"\b(\w+)(\|\w+)+", r"\1", line)  # the first of several words
    if "paxledger bench" in line:
        line = re.sub(r" --duration \S+", "", line) + " --duration 200ms --warm-up 100ms"
    line = re.sub(r"^paxledger ", "build/bin/paxledger ", line)
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=cluster.root,
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_the_commands_of_the_readme_work_in_their_order(demo: Cluster) -> None:
    lines = commands(ROOT / "README.md")
    assert len(lines) >= 10, "the tour is there"
    for line in lines:
        run(demo, line)
    got = demo.command("get", "alice")
    assert got.stdout == "555-0100\n"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent != ROOT and commands(page)], ids=page_name
)
def test_the_commands_of_a_page_work(demo: Cluster, page: Path) -> None:
    """Other than in the README, the lines stand for themselves; what one broke is mended."""
    for line in commands(page):
        run(demo, line)
        if re.search(r"fault (link|node)", line):
            demo.json("fault", "heal")


def test_yaml_examples_are_valid_configurations(tmp_path: Path) -> None:
    examples = [(page, text) for page in PAGES for text in blocks(page, "yaml")]
    assert examples
    for page, text in examples:
        file = tmp_path / "cluster.yaml"
        file.write_text(text, encoding="utf-8")
        # A node that is not in the file: the configuration is read, and nothing is started.
        done = subprocess.run(
            [str(DAEMON), "--config", str(file), "--node", "4000"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "found no node 4000" in done.stderr, f"{page_name(page)}:\n{text}\n{done.stderr}"


def test_every_documented_key_of_the_configuration_is_known(tmp_path: Path) -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    minimal = blocks(REFERENCE / "configuration.md", "yaml")[0]
    for section in ("timing", "limits", "ledger"):
        part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", part, re.M)
        assert rows, section
        for key, default in rows:
            file = tmp_path / "cluster.yaml"
            file.write_text(f"{minimal}\n{section}: {{{key}: {default}}}\n", encoding="utf-8")
            done = subprocess.run(
                [str(DAEMON), "--config", str(file), "--node", "4000"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert "found no node 4000" in done.stderr, done.stderr


def program(page: Path) -> str:
    """The Python blocks of a page as one program; every line has the number that it has there."""
    lines = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = not inside and line == "```python" if fence else inside
    return "\n".join(lines) + "\n"


# The example of the client protocol is for those without this package; it has a test of its own.
PYTHON_PAGES = [page for page in PAGES if page.parent != REFERENCE and program(page).strip()]


def run_program(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the Python blocks of a page in a folder of their own."""
    script = folder / page.name
    script.write_text(program(page), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=False,
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=page_name)
def test_the_python_of_a_page_runs_as_one_program(page: Path, tmp_path: Path) -> None:
    done = run_program(page, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_python_of_a_page_that_is_wrong_is_found_with_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    blocks = ("python\nx = 1", "\nno python", "python\nassert x == 2")
    text = "\n\n".join(f"```{block}\n```" for block in blocks)
    page.write_text(text, encoding="utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    done = run_program(page, folder)
    assert done.returncode != 0
    assert "line 10" in done.stderr and "AssertionError" in done.stderr


def same_shape(documented: object, real: object, where: str = "") -> list[str]:
    """The paths of documented members that the real value does not have, and the other way."""
    if isinstance(documented, dict) and isinstance(real, dict):
        if not documented:
            return []  # shown as {} for short
        wrong = [f"{where}.{key}" for key in documented.keys() ^ real.keys()]
        for key in documented.keys() & real.keys():
            wrong += same_shape(documented[key], real[key], f"{where}.{key}")
        return wrong
    if isinstance(documented, list) and isinstance(real, list):
        return same_shape(documented[0], real[0], f"{where}[]") if documented and real else []
    return []


def test_the_documented_http_answers_are_the_real_ones(make_cluster: MakeCluster) -> None:
    cluster = make_cluster().start()
    node = cluster.node(1)
    (example,) = blocks(REFERENCE / "http.md", "json")
    assert same_shape(json.loads(example), node.status()) == []

    page = (REFERENCE / "http.md").read_text(encoding="utf-8").split("## /metrics")[1]
    rows = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    families = set(re.findall(r"^# TYPE paxledger_(\w+)", node.http("/metrics")[1], re.M))
    assert documented == families, documented ^ families


def headings(page: Path) -> set[str]:
    """The anchors of a page, as they are made from its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in found]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere_and_no_placeholder_is_left(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page_name(page)} links to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in headings(file), f"{page_name(page)} links to {target}"
    assert not re.search(r"@[A-Z][A-Z_]+@", text), "a placeholder was not filled in"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_programs_and_targets_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    code = re.findall(r"`([^`\n]+)`", text) + [
        line.strip() for block in blocks(page) for line in block.splitlines()
    ]
    for line in code:
        named = re.match(r"make ([\w-]+)", line)
        assert not named or named[1] in targets, f"{page_name(page)}: {line}"
        script = re.match(r"(scripts/[\w.-]+)", line)
        assert not script or (ROOT / script[1]).exists(), f"{page_name(page)}: {line}"


def test_help_is_there_for_every_command() -> None:
    done = subprocess.run([str(COMMAND), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for name in ("up", "down", "status", "put", "get", "chain", "fault", "bench"):
        assert re.search(rf"^\s+{name}\b", done.stdout, re.M), name
        each = subprocess.run(
            [str(COMMAND), name, "--help"], capture_output=True, text=True, check=False
        )
        assert each.returncode == 0 and each.stdout
