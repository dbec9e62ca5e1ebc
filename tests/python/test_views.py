"""What is shown of clusters, nodes, blocks and chains."""

from __future__ import annotations

import io
import types
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from paxledger import views, watch
from paxledger.chain import Chain, Comparison
from paxledger.cluster import Cluster
from waiting import scaled


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.local(3) as three:
        db = three.client()
        for number in range(14):
            db[f"key/{number}"] = "value"
        db["<script>alert(1)</script>"] = '"><img src=x onerror=alert(1)>'
        assert three.in_sync(timeout=scaled(10))
        yield three


class Page(HTMLParser):
    """Demands that every element is closed in order, and collects what there is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        self.tags.append(tag)
        if tag not in ("br", "path"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("br", "path"):
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_nothing_from_the_database_becomes_markup(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    for html in (chain._repr_html_(), chain[-1]._repr_html_()):
        page = Page(html)
        assert "<script>alert(1)</script>" in page.text
        assert not {"script", "img"} & set(page.tags)


def test_a_cluster_shows_its_leader_its_states_and_its_faults(cluster: Cluster) -> None:
    leader = cluster.wait_for_leader()
    follower = next(node for node in cluster.ids if node != leader)
    with cluster.node(follower).pause(), cluster.delay(1, 2, 0.01):
        page = Page(cluster._repr_html_())
        assert page.text.count("★ leader") == 1
        assert "paused" in page.text and "2 of 3 nodes run" in page.text
        assert "delay 10 ms" in page.text and "1 – 2" in page.text
        assert f"node {follower} paused" in page.text
        terminal = Console(width=140, file=None)
        with terminal.capture() as capture:
            terminal.print(watch.picture(cluster))
        assert "★ leader" in capture.get() and "delay 10 ms: 1 – 2" in capture.get()
    assert "Disturbed" not in cluster._repr_html_()


def test_a_node_shows_what_it_hears(cluster: Cluster) -> None:
    page = Page(cluster.node(1)._repr_html_())
    assert "ms ago" in page.text and cluster.node(1).endpoint in page.text


def test_each_block_points_to_the_one_before_and_long_chains_are_cut(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    page = Page(chain._repr_html_())
    shown = page.text.count("Block ")
    assert page.tags.count("svg") == shown < len(chain)
    assert f"{len(chain) - shown} blocks" in page.text
    assert f"Block {chain.height}" in page.text and "Genesis" in page.text
    short = Page(chain[:4]._repr_html_())
    # Each hash stands in its own block, and as the previous one of the next.
    for block in chain[:3]:
        assert short.words.count(block.hash.hex()[:10]) == 2
    assert "is empty" in Page(Chain([])._repr_html_()).text


def test_a_block_counts_its_operations_in_words_that_fit(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    for block in chain:
        count = len(block.operations)
        words = "operation" if count == 1 else "operations"
        assert f"{count} {words}" in Page(block._repr_html_()).words
    assert 1 in {len(block.operations) for block in chain}


def test_forged_blocks_and_broken_links_are_marked(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    assert "pxl-broken" not in Page(chain._repr_html_()).text
    blocks = list(chain[:5])
    blocks[2] = replace(blocks[2], previous=bytes(32))
    html = Chain(blocks, genesis=chain.genesis)._repr_html_()
    assert html.count('class="pxl-card pxl-broken"') == 1
    assert "hash is wrong" in html and "link is broken" in html


def status(node: int, height: int | None, head: str) -> dict[str, Any]:
    return {"node": node, "height": height, "head": head}


def test_a_node_whose_head_differs_at_the_same_height_is_marked() -> None:
    assert views.differing([status(1, 5, "aa"), status(2, 5, "aa"), status(3, 5, "bb")]) == {3}
    assert views.differing([status(1, 5, "aa"), status(2, 4, "bb"), status(3, None, "")]) == set()
    assert views.differing([status(1, 5, "aa"), status(2, 5, "bb")]) == {1, 2}


def test_chains_side_by_side_show_where_they_part(cluster: Cluster) -> None:
    chain = cluster.chain(1)
    same = Page(cluster.compare(last=4)._repr_html_())
    assert "no difference" in same.text and f"{chain.height - 4} more" in same.text
    blocks = list(chain)
    blocks[2] = replace(blocks[2], hash=bytes(32))
    html = Comparison([chain, Chain(blocks, node=2)], last=4)._repr_html_()
    assert html.count('<td class="pxl-differs">') == 2
    assert "different from height 3 on" in Page(html).text


def test_watching_a_terminal_ends_in_time(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.watch(seconds=0.2, interval=0.05)
    assert "★ leader" in capsys.readouterr().out


def test_watching_a_notebook_updates_one_place_until_it_is_interrupted(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            shown.append(html)
            if len(shown) == 3:
                raise KeyboardInterrupt

    def display(html: str, display_id: bool) -> Handle:
        assert display_id
        shown.append(html)
        return Handle()

    page = types.SimpleNamespace(HTML=str, display=display)
    monkeypatch.setattr(watch, "in_notebook", lambda: True)
    monkeypatch.setattr("importlib.import_module", lambda name: page)
    cluster.watch(interval=0.05)
    assert len(shown) == 3 and all("★ leader" in html for html in shown)


def test_what_is_closed_can_still_be_shown() -> None:
    cluster = Cluster.local(1)
    node = cluster.node(1)
    assert "stopped" in Page(cluster._repr_html_()).text + Page(node._repr_html_()).text
    cluster.close()
    assert "closed" in cluster._repr_html_() and "closed" in node._repr_html_()


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_narrow_terminal_shows_how_every_node_is(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    statuses = cluster.status()
    for status in statuses:
        status.update(ballot="1234567.3", height=12_345_678, lag=1_234_567, keys=1_234_567)
    statuses[0].update(role="leader")
    statuses[1].update(
        role="follower", ready=False, not_ready_reason="hears no majority of the nodes: 1 of 3"
    )
    statuses[2].update(role="candidate", error="no answer within 1 s")
    monkeypatch.setattr(Cluster, "status", lambda _: statuses)
    terminal = Console(width=width, force_terminal=False, record=True, file=io.StringIO())
    terminal.print(watch.picture(cluster))
    text = terminal.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text, text
    for word in ("node", "state", "role", "health", "ready", "no answer", "leader"):
        assert word in text, text
    # Broken into lines, but whole.
    for word in ("hears", "majority", "nodes"):
        assert word in text, text
    for name, narrowest in {"height": 60, "lag": 80}.items():
        assert (name in text) == (width >= narrowest), text
