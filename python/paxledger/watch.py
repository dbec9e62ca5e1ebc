"""A cluster, live: in a notebook as HTML, in a terminal as a table."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from paxledger._connection import seconds as seconds_of
from paxledger.views import by_effect, differing

if TYPE_CHECKING:
    from paxledger.cluster import Cluster
    from paxledger.node import NodeStatus

_STATES = {"running": "green", "paused": "yellow", "stopped": "dim"}
_HEALTH_WIDTH = 16  # what is kept free for it before other columns are shown
_WIDTH_MAX = 1000  # of a table that has all the room that it wants


def watch(cluster: Cluster, seconds: float | None, interval: float) -> None:
    """Shows the cluster until Ctrl-C, or for some seconds; see `Cluster.watch`."""
    until = None if seconds is None else time.monotonic() + seconds_of(seconds, "seconds")
    pause = max(0.05, seconds_of(interval, "interval"))
    try:
        if in_notebook():
            _watch_notebook(cluster, until, pause)
        else:
            _watch_terminal(cluster, until, pause)
    except KeyboardInterrupt:
        # That is how a person ends it.
        return


def in_notebook() -> bool:
    """Whether output goes to a notebook's page."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def _wait(until: float | None, pause: float) -> bool:
    """Waits for the next look; False when there is none."""
    left = pause if until is None else until - time.monotonic()
    if left <= 0:
        return False
    time.sleep(min(pause, left))
    return True


def _watch_notebook(cluster: Cluster, until: float | None, pause: float) -> None:
    # IPython has no types.
    page: Any = importlib.import_module("IPython.display")
    handle = page.display(page.HTML(cluster._repr_html_()), display_id=True)
    while _wait(until, pause):
        handle.update(page.HTML(cluster._repr_html_()))


def _watch_terminal(cluster: Cluster, until: float | None, pause: float) -> None:
    with Live(picture(cluster), auto_refresh=False) as live:
        while _wait(until, pause):
            live.update(picture(cluster), refresh=True)


# What a column shows, and which are left out first where there is no room for all.
_COLUMNS = ("node", "state", "role", "follows", "ballot", "height", "lag", "head", "keys", "health")
_NUMBERS = frozenset({"height", "lag", "keys"})
_SPARE = ("keys", "ballot", "follows", "head", "lag", "height")


class _Statuses:
    """The table of all nodes, with as many columns as the terminal has room for.

    Invariant: which node is in which state and how it is are always there; the health is broken
    into lines rather than cut.
    """

    def __init__(self, title: str, statuses: Sequence[NodeStatus]) -> None:
        self._title = title
        odd = differing(statuses)
        self._rows = [_cells(status, status["node"] in odd) for status in statuses]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(max_width=_WIDTH_MAX)
        for count in range(len(_SPARE) + 1):
            left_out = frozenset(_SPARE[:count])
            narrow = self._table(left_out, health_width_max=_HEALTH_WIDTH)
            if Measurement.get(console, wide, narrow).maximum <= options.max_width:
                break
        yield self._table(left_out)

    def _table(self, left_out: frozenset[str], health_width_max: int | None = None) -> Table:
        table = Table(
            title=self._title,
            title_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 2, 0, 0),
            pad_edge=False,
        )
        shown = [name for name in _COLUMNS if name not in left_out]
        for name in shown:
            table.add_column(
                name,
                justify="right" if name in _NUMBERS else "left",
                no_wrap=name != "health",
                overflow="fold",
                max_width=health_width_max if name == "health" else None,
            )
        for cells in self._rows:
            table.add_row(*(cells[name] for name in shown))
        return table


def _cells(status: NodeStatus, odd: bool) -> dict[str, Text]:
    leads = status["role"] == "leader"
    lag = status["lag"]
    return {
        "node": Text(str(status["node"])),
        "state": Text(status["state"], _STATES.get(status["state"], "")),
        "role": Text(
            f"★ {status['role']}" if leads else status["role"] or "–", "bold" if leads else ""
        ),
        "follows": Text(str(status["leader"] or "–")),
        "ballot": Text(status["ballot"] or "–"),
        "height": Text(_number(status["height"])),
        "lag": Text(_number(lag), "yellow" if lag else ""),
        "head": Text((status["head"] or "–")[:8], "bold red" if odd else ""),
        "keys": Text(_number(status["keys"])),
        "health": _health(status),
    }


def picture(cluster: Cluster) -> Group:
    """What the terminal shows."""
    table = _Statuses(f"Cluster {cluster.name}", cluster.status())
    faults = [Text(f"⚡ {fault.text}", style="yellow") for fault in cluster.faults()]
    links = [
        Text(f"   {effect}: {', '.join(arrows)}", style="dim")
        for effect, arrows in by_effect(cluster.link_faults()).items()
    ]
    return Group(table, *faults, *links)


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _health(status: dict[str, Any]) -> Text:
    if status["error"]:
        return Text("no answer", style="red")
    if status["damage"]:
        return Text("damage", style="red")
    if status["repairing"]:
        return Text("repairing", style="yellow")
    if status["ready"] is False:
        return Text(str(status["not_ready_reason"]).partition(":")[0], style="yellow")
    return Text("ready" if status["ready"] else "–")
