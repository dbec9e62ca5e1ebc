"""Draws results with matplotlib. Colours are those of Okabe and Ito, which all eyes tell apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from paxledger.lab.fault_track import (
    LANE_INCHES,
    draw_track,
    marks_of,
    place,
    shade,
)
from paxledger.lab.workload import WRITES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paxledger.lab.result import Result

Draw = Callable[..., None]

NODE_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"),
    *("#D55E00", "#000000", "#999999", "#8C6D00"),
)
CLASSES = {"writes": ("#0072B2", "-"), "reads": ("#E69F00", "-")}
ROLES = {
    "leader": ("#0072B2", 0.72),
    "candidate": ("#E69F00", 0.72),
    "follower": ("#BBBBBB", 0.24),
}
_BINS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
# An answer holds until the next one, if that comes within so many intervals.
_SILENCE_STEPS = 3.5
# Within so many decades a logarithmic axis has labels between the powers of ten.
_DECADES_FEW = 1.5
_PANEL_SHARE = 0.8  # of the figure's width, beside labels and legend


def bin_of(duration: float) -> float:
    """Returns a round number of seconds, of which about a hundred make the duration.

    Example:
        >>> bin_of(20.0)
        0.2
    """
    return float(next((width for width in _BINS if duration / width <= 120), duration / 100))


def plot_all(
    result: Result,
    *,
    bin: float | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draws throughput, latency, leaders and heights over one time axis, with the faults above.

    Args:
        result: What to draw.
        bin: Seconds that are counted together; None for about a hundredth of the duration.
        title: Above the picture.
        figsize: Width and height in inches.
    """
    nodes = max(1, result.heights["node"].nunique())
    panels: list[tuple[Draw, float, dict[str, Any]]] = [
        (draw_throughput, 1.9, {"bin": bin}),
        (draw_latency, 1.9, {"bin": bin}),
        (draw_leaders, 0.5 + 0.24 * nodes, {}),
        (draw_heights, 1.9, {}),
    ]
    figure, axes = _figure(result, [height for _, height, _ in panels], figsize)
    for ax, (draw, _, options) in zip(axes, panels, strict=True):
        draw(result, ax, **options)
    _finish(result, axes)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def plot_one(result: Result, draw: Draw, ax: Axes | None, **options: Any) -> Axes:
    """Draws one panel: on its own with the names of the faults, or on given axes without."""
    if ax is None:
        _, (ax,) = _figure(result, [3.0], None)
    draw(result, ax, **options)
    _finish(result, [ax])
    return ax


def _figure(
    result: Result, heights: list[float], figsize: tuple[float, float] | None
) -> tuple[Figure, list[Axes]]:
    width = figsize[0] if figsize else 10.0
    marks = marks_of(result)
    lanes = place(marks, result.duration, width * _PANEL_SHARE)
    track = [lanes * LANE_INCHES] if lanes else []
    total = sum(heights) + sum(track) + 0.5 + 0.25 * len(heights)
    figure, grid = pyplot.subplots(
        len(track) + len(heights),
        1,
        sharex=True,
        squeeze=False,
        figsize=figsize or (width, total),
        layout="constrained",
        gridspec_kw={"height_ratios": [*track, *heights]},
    )
    axes = list(grid[:, 0])
    if lanes:
        draw_track(axes[0], marks, lanes)
    return figure, axes[len(track) :]


def _finish(result: Result, axes: list[Axes]) -> None:
    marks = marks_of(result)
    for ax in axes:
        shade(ax, marks)
        ax.set_xlim(0, result.duration)
        ax.grid(axis="y", lw=0.4, alpha=0.5)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="upper left", bbox_to_anchor=(1.005, 1.02), frameon=False, fontsize=8)
    axes[-1].set_xlabel("time since the workload began (s)")


def _edges(duration: float, bin: float | None) -> np.ndarray[Any, np.dtype[np.float64]]:
    width = bin_of(duration) if bin is None else bin
    if not 0 < width <= duration:
        raise ValueError(f"a bin is above 0 and at most {duration:g} seconds, not {width!r}")
    edges = np.arange(0, duration + width * 0.5, width)
    edges[-1] = duration  # the last one may be shorter or longer by a half
    return edges


def _classes(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    writes = table["kind"].isin(WRITES)
    for name, rows in (("writes", table[writes]), ("reads", table[~writes])):
        if len(rows):
            yield name, rows


def draw_throughput(result: Result, ax: Axes, *, bin: float | None = None) -> None:
    """Draws answers per second, and what was not answered, by the time at which it ended."""
    edges = _edges(result.duration, bin)
    answered = result.answered_mask()
    for name, rows in _classes(result.operations[answered]):
        counts, _ = np.histogram(rows["end"], edges)
        colour, style = CLASSES[name]
        ax.stairs(counts / np.diff(edges), edges, color=colour, ls=style, lw=1.5, label=name)
    wrong = result.operations[~answered]
    if not len(result.operations):
        _say(ax, "no operations")
    if len(wrong):
        counts, _ = np.histogram(wrong["end"].clip(upper=result.duration), edges)
        rates = counts / np.diff(edges)
        ax.stairs(rates, edges, color="#000000", ls=":", lw=1.3, label="without an answer")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(_plain))
    ax.set_ylabel("throughput\n(operations / s)")


def draw_latency(result: Result, ax: Axes, *, bin: float | None = None) -> None:
    """Draws median, 99th percentile and maximum by the time at which operations began."""
    edges = _edges(result.duration, bin)
    middles = (edges[:-1] + edges[1:]) / 2
    answered = result.operations[result.answered_mask()]
    for name, rows in _classes(answered):
        slots = pd.cut(rows["start"], list(edges), labels=False, right=False)
        grouped = rows["latency"].groupby(slots)
        colour, _ = CLASSES[name]
        for at, style in ((0.5, {"lw": 1.6}), (0.99, {"lw": 0.9, "ls": "--"})):
            found = (grouped.quantile(at) * 1000).reindex(range(len(middles))).to_numpy()
            text = "median" if at == 0.5 else "99th percentile"
            ax.plot(middles, found, color=colour, label=f"{name}, {text}", **style)
        most = (grouped.max() * 1000).reindex(range(len(middles))).to_numpy()
        ax.plot(middles, most, ".", color=colour, ms=3.5, alpha=0.7, label=f"{name}, maximum")
    if not len(answered):
        _say(ax, "no operation was answered")
    # In a simulation operations may take no time, of which there is no logarithm.
    logarithmic = bool((answered["latency"] > 0).any())
    if logarithmic:
        _make_logarithmic(ax)
    ax.set_ylabel(f"latency\n(ms{', logarithmic' * logarithmic})")


def _make_logarithmic(ax: Axes) -> None:
    """Gives the axis labels that tell values apart, also where all lie within one decade."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    few = low > 0 and np.log10(high / low) < _DECADES_FEW
    ax.yaxis.set_major_formatter(FuncFormatter(_plain))
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    if few and high / low < 2.5:  # perhaps not one of 1, 2 and 5 lies between
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4))
    ax.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def _plain(value: float, _: int | None = None) -> str:
    """A label without an exponent, with as many places as it needs."""
    return f"{value:,.10g}"


def _say(ax: Axes, text: str) -> None:
    """Says in an empty panel that it is meant to be empty."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="#555555")
    ax.set_yticks([])


def draw_leaders(result: Result, ax: Axes) -> None:
    """Draws for each node when it led, followed, stood for election, and did not answer."""
    table = result.heights
    nodes = sorted(int(node) for node in table["node"].unique())
    step = float(result.metadata.get("interval", 0.1))
    for role, (colour, _) in ROLES.items():
        ax.barh(0, 0, color=colour, lw=0, label=role)  # for the legend, in this order
    for row, node in enumerate(nodes):
        rows = table[table["node"] == node].sort_values("time")
        for role, begin, end in _runs(rows, step, result.duration):
            if role not in ROLES:
                continue
            colour, thickness = ROLES[role]
            ax.barh(row, end - begin, left=begin, height=thickness, color=colour, lw=0)
    if nodes:
        ax.set_yticks(range(len(nodes)), [f"node {node}" for node in nodes])
        ax.set_ylim(len(nodes) - 0.4, -0.6)
    else:
        _say(ax, "no node was asked")
    ax.set_ylabel("role\n(gap: no answer)" if len(nodes) > 1 else "role")


def _runs(rows: pd.DataFrame, step: float, duration: float) -> Iterator[tuple[str, float, float]]:
    """The times without a change of role; an answer holds until the next one, if that is soon."""
    times = rows["time"].to_list()
    roles = rows["role"].astype(str).to_list()
    begin = 0
    for at in range(1, len(times) + 1):
        end = times[at - 1] + step
        if at < len(times):
            soon = times[at] - times[at - 1] <= _SILENCE_STEPS * step
            if soon and roles[at] == roles[begin]:
                continue
            end = min(end, times[at])
        yield roles[begin], times[begin], min(end, max(duration, times[begin]))
        begin = at


def draw_heights(result: Result, ax: Axes) -> None:
    """Draws the height of each node's chain; later ones are thinner, so that none is hidden."""
    nodes = sorted(int(node) for node in result.heights["node"].unique())
    for row, node in enumerate(nodes):
        rows = result.heights[result.heights["node"] == node]
        heights = rows["height"].astype("float64").to_numpy()
        ax.plot(
            rows["time"].to_numpy(),
            heights,
            color=NODE_COLOURS[row % len(NODE_COLOURS)],
            marker="o" if len(rows) == 1 else None,  # one answer makes no line
            clip_on=len(rows) > 1,
            lw=1.0 + 1.3 * (len(nodes) - 1 - row),
            solid_capstyle="butt",
            label=f"node {node}",
        )
    low, high = ax.get_ylim()
    if high - low < 2:  # a chain that did not grow: whole numbers all the same
        middle = round((low + high) / 2)
        ax.set_ylim(max(middle - 1, -0.1), middle + 1)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    ax.yaxis.set_major_formatter(FuncFormatter(_plain))
    if not nodes:
        _say(ax, "no node was asked")
    ax.set_ylabel("height\n(blocks)")


def draw_gaps(result: Result, ax: Axes | None, **options: Any) -> Axes:
    """Draws which share of the faults kept writes waiting for at most how long."""
    table = result.gaps(**options)
    gaps = np.sort(table["gap"].dropna().to_numpy()) * 1000
    if ax is None:
        _, ax = pyplot.subplots(figsize=(7.0, 3.4), layout="constrained")
    if not len(gaps):
        ax.text(0.5, 0.5, "no such fault, or no write after it", ha="center", va="center")
        ax.set_axis_off()
        return ax
    shares = np.arange(1, len(gaps) + 1) / len(table)
    ax.step([0, *gaps], [0, *shares], where="post", color="#0072B2", lw=1.2)
    ax.plot(gaps, shares, "o", color="#0072B2", ms=5)
    middle = float(np.median(gaps))
    ax.axvline(middle, color="#D55E00", ls="--", lw=1.2)
    # Left of the median and above the middle nothing is drawn, nor right of it and below.
    left = middle > 0.6 * gaps[-1]
    ax.annotate(
        f"median {middle:,.0f} ms" if middle >= 100 else f"median {middle:.3g} ms",
        (middle, 0.9 if left else 0.12),
        xytext=(-5 if left else 5, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        color="#A84A00",
    )
    ax.set_xlim(0, gaps[-1] * 1.06)
    ax.set_ylim(0, 1.05)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    ax.xaxis.set_major_formatter(FuncFormatter(_plain))
    ax.set_xlabel("time from the fault to the next acknowledged write (ms)")
    ax.set_ylabel(f"share of {len(table)} fault{'s' * (len(table) != 1)}")
    ax.grid(lw=0.4, alpha=0.5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax
