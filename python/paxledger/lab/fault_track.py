"""Faults in a picture: spans through all panels, and a track above them with their names."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.textpath import TextPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paxledger.lab.result import Result

BREAKS = "#D55E00"  # vermilion and bluish green of Okabe and Ito, told apart by all eyes
MENDS = "#00785A"

LANES_MAX = 6
LANE_INCHES = 0.2
_FONT_POINTS = 8.0
_GAP_POINTS = 8.0
# A label may reach into the margin beside the panels, where legends are, so much of their width.
_MARGIN = 0.15


@dataclass
class Mark:
    """One action on the track.

    Attributes:
        start: When it took effect.
        end: When that ended; `start` for what only mends.
        text: Its label.
        breaks: Whether it breaks something.
        lane: Its line, from 0 at the top.
        at: Where its label begins, in seconds.
    """

    start: float
    end: float
    text: str
    breaks: bool
    lane: int = 0
    at: float = 0.0


def marks_of(result: Result) -> list[Mark]:
    """Returns what is to be drawn. Undoing is not: it is where a span ends."""
    marks = []
    for row in result.faults.itertuples():
        if row.error != "" or row.action == "undo":
            continue
        start, cleared = float(str(row.end)), float(str(row.cleared))
        end = start
        if row.breaks:
            end = result.duration if pd.isna(cleared) else min(cleared, result.duration)
        if start < result.duration:
            marks.append(Mark(start, max(start, end), str(row.text), bool(row.breaks)))
    return marks


def place(marks: list[Mark], duration: float, inches: float) -> int:
    """Gives each mark a lane in which nothing overlaps, and returns how many there are.

    If there would be too many lanes, the labels get shorter, and at last they go.

    Args:
        marks: What is to be placed.
        duration: Seconds of the whole picture.
        inches: Width of the panels.
    """
    for shorten in (lambda text: text, _without_role, _first_word, lambda _: ""):
        for mark in marks:
            mark.text = shorten(mark.text)
        lanes = _pack(marks, duration, duration / (inches * 72))
        if lanes <= LANES_MAX:
            return lanes
    for mark in marks:
        mark.lane %= LANES_MAX
    return LANES_MAX


def _without_role(text: str) -> str:
    return text.partition(" (")[0]


def _first_word(text: str) -> str:
    return text.partition(" ")[0]


@functools.cache
def _points(text: str) -> float:
    """The width of a label."""
    return float(TextPath((0, 0), text, size=_FONT_POINTS).get_extents().width) if text else 0.0


def _pack(marks: list[Mark], duration: float, seconds_per_point: float) -> int:
    taken: list[float] = []  # until when each lane is used
    for mark in sorted(marks, key=lambda each: each.start):
        width = (_points(mark.text) + _GAP_POINTS) * seconds_per_point
        mark.at = max(0.0, min(mark.start, duration * (1 + _MARGIN) - width))
        until = max(mark.end, mark.at + width)
        begin = min(mark.start, mark.at)
        for lane, used in enumerate(taken):
            if used <= begin:
                mark.lane = lane
                taken[lane] = until
                break
        else:
            mark.lane = len(taken)
            taken.append(until)
    return len(taken)


def draw_track(ax: Axes, marks: list[Mark], lanes: int) -> None:
    """Draws the named faults on the axes above the panels."""
    ax.set_ylim(lanes, 0)
    ax.set_yticks([])
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.tick_params(bottom=False, labelbottom=False)
    for mark in marks:
        colour = BREAKS if mark.breaks else MENDS
        if mark.end > mark.start:
            span = (mark.start, mark.end - mark.start)
            ax.broken_barh([span], (mark.lane + 0.08, 0.84), facecolor=colour, alpha=0.25, lw=0)
        ax.plot([mark.start] * 2, [mark.lane + 0.08, mark.lane + 0.92], color=colour, lw=1.6)
        nudge = 3 if mark.at == mark.start else 0
        label = ax.annotate(
            mark.text,
            (mark.at, mark.lane + 0.5),
            xytext=(nudge, 0),
            textcoords="offset points",
            va="center",
            fontsize=_FONT_POINTS,
            annotation_clip=False,
        )
        label.set_in_layout(False)


def shade(ax: Axes, marks: list[Mark]) -> None:
    """Marks the faults on a panel, behind everything else."""
    for start, end in _joined(marks):
        ax.axvspan(start, end, color=BREAKS, alpha=0.09, lw=0, zorder=0)
    for mark in marks:
        colour, style = (BREAKS, "-") if mark.breaks else (MENDS, "--")
        ax.axvline(mark.start, color=colour, lw=0.8, ls=style, alpha=0.8, zorder=0.5)


def _joined(marks: list[Mark]) -> Iterator[tuple[float, float]]:
    """The times in which something is broken; overlapping ones count once."""
    current: tuple[float, float] | None = None
    for mark in sorted(marks, key=lambda each: each.start):
        if mark.end <= mark.start:
            continue
        if current is not None and mark.start <= current[1]:
            current = (current[0], max(current[1], mark.end))
            continue
        if current is not None:
            yield current
        current = (mark.start, mark.end)
    if current is not None:
        yield current
