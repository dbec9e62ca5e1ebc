"""From the measurements of several rounds to a table, a file of JSON and a plot."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench/results"


@dataclass
class Row:
    """One line of the table: what each system needed in each round, and what is wanted.

    `ratio` is what the goals speak of, by the figures of one round; the goals are bounds of its
    median, from below if more is better.
    """

    name: str
    unit: str
    goal: float
    stretch: float | None = None
    more_is_better: bool = True
    against: str = "etcd"
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of what the rounds gave."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def meets(self, bound: float) -> bool:
        """Whether the ratio is on the right side."""
        return self.ratio >= bound if self.more_is_better else self.ratio <= bound

    @property
    def verdict(self) -> str:
        """Which of its goals it meets."""
        if self.against == "floor" and self.ratio < 1:
            return "disturbed"  # nothing is faster than the floor: somebody else used the machine
        if self.stretch is not None and self.meets(self.stretch):
            return "stretch"
        return "goal" if self.meets(self.goal) else "missed"

    def summary(self) -> dict[str, Any]:
        """Everything about it, for JSON."""
        return {
            "unit": self.unit,
            "paxledger": spread(self.ours),
            "against": self.against,
            self.against: spread(self.theirs),
            "ratio": self.ratio,
            "goal": self.goal,
            "stretch": self.stretch,
            "verdict": self.verdict,
        }


@dataclass
class Figure:
    """One line of a table without anybody to compare with: a bound, and what the rounds gave."""

    name: str
    unit: str
    wanted: float | None  # of the median; None where the figure only informs
    more_is_better: bool = True
    rounds: list[float] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Whether the median is on the right side."""
        if self.wanted is None:
            return ""
        if not self.rounds:
            return "not measured"
        median = statistics.median(self.rounds)
        met = median >= self.wanted if self.more_is_better else median <= self.wanted
        return "met" if met else "missed"

    @property
    def wanted_text(self) -> str:
        """The bound, for people."""
        if self.wanted is None:
            return ""
        return f"{'≥' if self.more_is_better else '≤'} {self.wanted:,g}"

    def summary(self) -> dict[str, Any]:
        """Everything about it, for JSON."""
        found = spread(self.rounds) if self.rounds else {}
        return {
            "unit": self.unit,
            "wanted": self.wanted,
            "more_is_better": self.more_is_better,
            "verdict": self.verdict,
            **found,
        }


def table_of(figures: Sequence[Figure]) -> str:
    """All figures, for people."""
    lines = [("", "median [min … max]", "wanted", "verdict")]
    for figure in figures:
        name = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
        found = text_of(figure.rounds) if figure.rounds else "–"
        lines.append((name, found, figure.wanted_text, figure.verdict))
    return aligned(lines)


def spread(figures: Sequence[float]) -> dict[str, Any]:
    """Median, ends and everything in between."""
    return {
        "median": statistics.median(figures),
        "min": min(figures),
        "max": max(figures),
        "all": list(figures),
    }


def text_of(figures: Sequence[float]) -> str:
    """The median and, in brackets, the ends."""
    digits = 0 if statistics.median(figures) >= 100 else 2
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    return f"{middle:,.{digits}f} [{low:,.{digits}f} … {high:,.{digits}f}]"


def table(rows: Sequence[Row]) -> str:
    """All rows, for people."""
    lines = [("", "paxledger", "compared with", "ratio", "goal", "stretch", "")]
    for row in rows:
        sign = "≥" if row.more_is_better else "≤"
        lines.append(
            (
                f"{row.name}, {row.unit}",
                text_of(row.ours),
                f"{row.against}: {text_of(row.theirs)}",
                f"{row.ratio:.2f}",
                f"{sign} {row.goal:g}",
                "" if row.stretch is None else f"{sign} {row.stretch:g}",
                row.verdict,
            )
        )
    return aligned(lines)


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """Lines of cells, as columns."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def machine() -> dict[str, Any]:
    """What was measured on."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [
        line.split(":")[1].strip() for line in information.splitlines() if "model name" in line
    ]
    file_system = subprocess.run(
        ["df", "--output=fstype", ROOT / "build"], capture_output=True, text=True, check=True
    )
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True
    )
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.processor(),
        "kernel": platform.release(),
        "file_system": file_system.stdout.splitlines()[-1],
        # Somebody else's work on this machine while it was measured; our own comes on top.
        "load_average_before": os.getloadavg()[0],
    }


def write(name: str, found: dict[str, Any]) -> Path:
    """Puts the results into a new file of bench/results."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = RESULTS / f"{name}-{stamp}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return path


def plot_rows(rows: Sequence[Row], path: Path) -> None:
    """How much better than what it is compared with each row is, with its goals, as bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(rows) + 1.5), layout="constrained")
    names = [f"{row.name} (vs {row.against})" for row in rows]

    def gain(row: Row, ratio: float) -> float:
        return ratio if row.more_is_better else 1 / ratio

    colours = {"disturbed": "grey", "missed": "tab:red", "goal": "tab:green", "stretch": "tab:blue"}
    axes.barh(
        names, [gain(row, row.ratio) for row in rows], color=[colours[row.verdict] for row in rows]
    )
    for place, row in enumerate(rows):
        axes.plot([gain(row, row.goal)] * 2, [place - 0.4, place + 0.4], color="black")
        if row.stretch is not None:
            axes.plot([gain(row, row.stretch)] * 2, [place - 0.4, place + 0.4], ":", color="black")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], ["¼", "½", "1", "2", "4", "8", "16"])
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.set_xlabel("times better; goal (line) and stretch goal (dots)")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
