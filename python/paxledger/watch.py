"""A cluster, live: in a notebook as HTML, in a terminal as a table."""

from __future__ import annotations

import importlib
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from paxledger._connection import seconds as seconds_of
from paxledger.views import by_effect, differing

if TYPE_CHECKING:
    from paxledger.cluster import Cluster

_STATES = {"running": "green", "paused": "yellow", "stopped": "dim"}


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


def picture(cluster: Cluster) -> Group:
    """What the terminal shows."""
    statuses = cluster.status()
    odd = differing(statuses)
    # Without lines between the columns it fits 80 of them.
    table = Table(title=f"Cluster {cluster.name}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("node", "state", "role", "follows", "ballot"):
        table.add_column(name, no_wrap=True)
    for name in ("height", "lag"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("head", no_wrap=True)
    table.add_column("keys", justify="right", no_wrap=True)
    table.add_column("health")
    for status in statuses:
        leads = status["role"] == "leader"
        head = (status["head"] or "–")[:8]
        lag = status["lag"]
        table.add_row(
            str(status["node"]),
            Text(status["state"], style=_STATES.get(status["state"], "")),
            Text(
                f"★ {status['role']}" if leads else status["role"] or "–", "bold" if leads else ""
            ),
            str(status["leader"] or "–"),
            status["ballot"] or "–",
            _number(status["height"]),
            Text(_number(lag), style="yellow" if lag else ""),
            Text(head, style="bold red" if status["node"] in odd else ""),
            _number(status["keys"]),
            _health(status),
        )
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
