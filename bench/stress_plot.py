"""What bench/stress.py found, as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import Figure

COLOURS = {"met": "tab:green", "missed": "tab:red", "": "tab:grey", "not measured": "tab:grey"}


def plot(table: Sequence[Figure], rounds: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """The ratios with what is wanted, and what the last rounds looked like over their time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ratios = [figure for figure in table if figure.unit.startswith("×") and figure.rounds]
    ratios = [figure for figure in ratios if statistics.median(figure.rounds) < 10]
    figure, (bars, behind, memory) = pyplot.subplots(
        3,
        1,
        figsize=(10, 0.4 * len(ratios) + 8),
        height_ratios=[0.4 * len(ratios) + 1, 3, 3],
        layout="constrained",
    )
    draw_ratios(bars, ratios)
    draw_catch_up(behind, rounds.get("catch-up", []))
    draw_memory(memory, rounds.get("overload", []))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def draw_ratios(axes: Any, ratios: Sequence[Figure]) -> None:
    """Each median as a bar, its rounds as dots, and what is wanted as a line."""
    for place, row in enumerate(ratios):
        axes.barh(place, statistics.median(row.rounds), color=COLOURS[row.verdict], alpha=0.7)
        axes.plot(row.rounds, [place] * len(row.rounds), "k.", markersize=4)
        if row.wanted is not None:
            axes.plot([row.wanted] * 2, [place - 0.4, place + 0.4], color="black")
    axes.set_yticks(range(len(ratios)), [f"{row.name}" for row in ratios])
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("× what it is without the fault; dots: rounds; lines: what is wanted")


def draw_catch_up(axes: Any, rounds: Sequence[dict[str, Any]]) -> None:
    """The last catch-up under an open loop: how far behind, and what the leader decided."""
    of_mode = [one for one in rounds if one["mode"] == "open"]
    axes.set_title("a follower far behind, open loop at half of the maximum (last round)")
    if not of_mode:
        return
    last = of_mode[-1]
    heights: dict[int, list[tuple[float, int]]] = {}
    commands: dict[int, list[tuple[float, int]]] = {}
    for sample in last["samples"]:
        if sample["height"] is not None:
            heights.setdefault(sample["node"], []).append((sample["at"], sample["height"]))
            commands.setdefault(sample["node"], []).append((sample["at"], sample["commands"]))
    for node, points in sorted(heights.items()):
        axes.plot(*zip(*points, strict=True), label=f"node {node}: height")
    axes.set_ylabel("blocks")
    axes.axvspan(last["begin"], last["end"], color="grey", alpha=0.15, label="catches up")
    axes.axvline(last["started_at"], color="grey", linestyle=":", label="is started")
    leader = max(commands, key=lambda node: commands[node][-1][1])
    points = commands[leader][::5]
    pace = [
        (after[0], (after[1] - before[1]) / (after[0] - before[0]))
        for before, after in zip(points, points[1:], strict=False)
    ]
    right = axes.twinx()
    right.plot(*zip(*pace, strict=True), color="black", linewidth=0.8)
    right.set_ylim(bottom=0)
    right.set_ylabel("puts per second (black)")
    axes.set_xlabel("seconds")
    axes.legend(loc="lower left")


def draw_memory(axes: Any, rounds: Sequence[dict[str, Any]]) -> None:
    """The memory of each node under twice the maximum."""
    axes.set_title("memory at twice the maximum load (last round)")
    if not rounds:
        return
    of_node: dict[int, list[tuple[float, float]]] = {}
    for sample in rounds[-1]["memory"]:
        if sample["rss_mib"] is not None:
            of_node.setdefault(sample["node"], []).append((sample["at"], sample["rss_mib"]))
    for node, points in sorted(of_node.items()):
        axes.plot(*zip(*points, strict=True), label=f"node {node}")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("VmRSS, MiB")
    axes.set_xlabel("seconds")
    axes.legend()
