"""Space-time diagrams: who sent what to whom, when it arrived, and what became of the nodes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paxledger.sim.observation import Event
    from paxledger.sim.world import World

# Okabe and Ito's colours, which all eyes tell apart; one for each conversation.
_COLOURS = {
    "PreVote": "#4C9ED9",
    "PreVoteReply": "#4C9ED9",
    "Prepare": "#0072B2",
    "Promise": "#0072B2",
    "Accept": "#D55E00",
    "Accepted": "#D55E00",
    "Nack": "#B00040",
    "Forward": "#00785A",
    "ForwardReply": "#00785A",
    "ReadIndexRequest": "#8A4F7D",
    "ReadIndexReply": "#8A4F7D",
    "ReadProbe": "#8A4F7D",
    "ReadProbeAck": "#8A4F7D",
    "FetchBlocks": "#7A6A00",
    "Blocks": "#7A6A00",
    "RejoinRequest": "#56707A",
    "RejoinReply": "#56707A",
    "Heartbeat": "#9AA0A6",
}
KINDS = tuple(_COLOURS)
_QUIET = "Heartbeat"
_INK = "#2B2B2B"
_FAULT = "#B00040"
_GOOD = "#00785A"
_LEADS = "#F0C24B"
_FONT = 7.5
_MESSAGES_LABELLED = 120
# Faults that are drawn as a line with a word.
_LINES = ("cut", "disturb", "slow_disk", "flip_bit", "fail_sync", "fail_write", "full_disk")
_WORDS_MAX = 110
_HALO = [withStroke(linewidth=2.4, foreground="white", alpha=0.9)]
# How far a message gets that is lost at once, and one that finds nobody, of its whole way.
_LOST_AT = 0.22
_DROPPED_AT = 0.86


@dataclass
class Message:
    """One message on its way."""

    kind: str
    source: int
    target: int
    sent: float
    arrived: float
    lost: bool
    ballot: str
    slot: int

    @property
    def label(self) -> str:
        """What stands beside the arrow, if there is room."""
        slot = f" [{self.slot}]" if self.slot and self.kind != _QUIET else ""
        return f"{self.kind} {self.ballot}{slot}".replace("  ", " ").rstrip()


def messages_of(events: Iterable[Event], now: float) -> list[Message]:
    """Returns the messages of a world; what is still on its way arrives now.

    Example:
        >>> messages = messages_of(world._told(), world.now)
        >>> messages[0].kind, messages[0].source != messages[0].target
        ('Heartbeat', True)
    """
    sent: dict[int, Message] = {}
    found: list[Message] = []
    for event in events:
        if event.event == "message":
            message = Message(
                event.name, event.node, event.peer, event.time, math.nan, False, event.ballot,
                event.slot,
            )  # fmt: skip
            sent[event.id] = message
            found.append(message)
        elif event.event == "lost":
            found.append(
                Message(
                    event.name,
                    event.node,
                    event.peer,
                    event.time,
                    event.time,
                    True,
                    event.ballot,
                    event.slot,
                )  # fmt: skip
            )
        elif event.event in ("arrived", "dropped") and event.id in sent:
            sent[event.id].arrived = event.time
            sent[event.id].lost = event.event == "dropped"
    for message in found:
        if math.isnan(message.arrived):
            message.arrived = max(now, message.sent)
    return found


def draw(
    world: World,
    begin: float | None,
    end: float | None,
    kinds: Iterable[str] | None,
    ax: Axes | None,
    title: str,
) -> Axes:
    """Draws a while of a world; `World.diagram` says how."""
    events = world._history()
    first = 0.0 if begin is None else float(begin)
    last = world.now if end is None else float(end)
    if not first < last:
        raise ValueError(f"a diagram ends after it begins, not from {first:g} to {last:g} s")
    wanted = _wanted(kinds)
    if ax is None:
        height = 1.25 * len(world.ids) + 1.1
        ax = plt.figure(figsize=(11, height), layout="constrained").add_subplot()
    picture = _Picture(world, ax, first, last)
    picture.nodes()
    picture.faults()
    shown = [
        message
        for message in messages_of(events, world.now)
        if message.kind in wanted and message.sent < last and message.arrived > first
    ]
    picture.messages(shown)
    picture.blocks(events)
    picture.requests()
    picture.frame(title, shown)
    return ax


def _wanted(kinds: Iterable[str] | None) -> set[str]:
    if kinds is None:
        return set(KINDS) - {_QUIET}
    wanted = {kinds} if isinstance(kinds, str) else set(kinds)
    for kind in wanted:
        if kind not in KINDS:
            raise ValueError(f"messages are {', '.join(KINDS)}, not {kind!r}")
    return wanted


class _Picture:
    """One diagram that is being drawn. Times are drawn in milliseconds, node 1 is on top."""

    def __init__(self, world: World, ax: Axes, first: float, last: float) -> None:
        self.world, self.ax = world, ax
        self.first, self.last = first * 1000, last * 1000
        ax.set_xlim(self.first, self.last)
        ax.set_ylim(len(world.ids) + 0.45, 0.3)
        box = ax.get_position()
        width, height = ax.figure.get_size_inches()  # type: ignore[union-attr]
        # Points on the paper for a millisecond, and from one node's line to the next.
        self.points_x = box.width * width * 72 / (self.last - self.first)
        self.points_y = box.height * height * 72 / (len(world.ids) + 0.15)
        self.lanes = 0  # of words about faults, above the picture
        self.taken: list[tuple[float, float, float]] = []  # middles and radii of labels, in points

    def spot(self, x: float, y: float) -> tuple[float, float]:
        """Returns a place in points."""
        return (x - self.first) * self.points_x, y * self.points_y

    def inside(self, x: float) -> bool:
        """Whether a time is in the picture."""
        return self.first <= x <= self.last

    # ---- nodes

    def nodes(self) -> None:
        """Draws the line of each node, broken where it is down, and who leads."""
        downs = self.away(("crash", "kill", "lose_disk", "damage"), ("start", "heal"))
        pauses = self.away(("pause",), ("resume", "heal", "kill", "crash"))
        for node in self.world.ids:
            self.ax.plot([self.first, self.last], [node] * 2, color=_INK, lw=1.1, zorder=2)
        for node, begin, end, _ in downs:
            self.ax.plot([begin, end], [node] * 2, color="white", lw=4, zorder=2.1)
            self.ax.plot(
                [begin, end], [node] * 2, color="#AAAAAA", lw=1, ls=(0, (1, 3)), zorder=2.2
            )
        for node, begin, end, kind in downs:
            if self.inside(begin):
                self.ax.plot(begin, node, "X", color=_FAULT, ms=10, mec="white", zorder=6)
                self.note(begin, node, "disk lost" if kind == "lose_disk" else kind, _FAULT)
            if self.inside(end) and end < self.last:
                self.ax.plot(end, node, "o", color=_GOOD, ms=7, mec="white", zorder=6)
                self.note(end, node, "start", _GOOD)
        for node, begin, end, _ in pauses:
            self.ax.plot(
                [max(begin, self.first), min(end, self.last)], [node] * 2, color="#8FA3B0", lw=7,
                alpha=0.75, solid_capstyle="butt", zorder=2.3,
            )  # fmt: skip
            if self.inside(begin):
                self.note(begin, node, "paused", "#56707A")
        for span in self.world.leaderships():
            begin, end = span["start"] * 1000, span["end"] * 1000
            if end < self.first or begin > self.last:
                continue
            begin, end = max(begin, self.first), min(end, self.last)
            self.ax.plot(
                [begin, end], [span["node"]] * 2, color=_LEADS, lw=9, alpha=0.6,
                solid_capstyle="butt", zorder=1.5,
            )  # fmt: skip
            self.note(begin, span["node"], f"leads {span['ballot']}", "#7A5B00", below=False)

    def away(
        self, ends: tuple[str, ...], begins: tuple[str, ...]
    ) -> list[tuple[int, float, float, str]]:
        """Returns the times in which nodes were down, or paused: node, begin, end, why."""
        found = []
        since: dict[int, tuple[float, str]] = {}
        for time, text, _ in self.world._simulation.faults():
            fault = json.loads(text)
            node = fault.get("node")
            if fault["kind"] in ends:
                since.setdefault(node, (time * 1000, fault["kind"]))
                if fault.get("duration_us"):
                    begin, kind = since.pop(node)
                    found.append((node, begin, begin + fault["duration_us"] / 1000, kind))
            elif fault["kind"] in begins:
                for each in [node] if node else list(since):
                    if each in since:
                        begin, kind = since.pop(each)
                        found.append((each, begin, time * 1000, kind))
        found += [(node, begin, self.last, kind) for node, (begin, kind) in since.items()]
        return [span for span in found if span[2] >= self.first and span[1] <= self.last]

    def note(self, x: float, node: int, text: str, colour: str, *, below: bool = True) -> None:
        """Writes a word beside the line of a node."""
        self.ax.annotate(
            text, (x, node), xytext=(4, -12 if below else 7), textcoords="offset points",
            color=colour, fontsize=_FONT, fontweight="bold", path_effects=_HALO, zorder=7,
        )  # fmt: skip
        across, along = self.spot(x, node)
        width = _points(text)
        for part in range(int(width // 10) + 1):
            self.taken.append((across + 4 + part * 10, along + (8 if below else -10), 6.0))

    # ---- faults of links

    def faults(self) -> None:
        """Marks when links were cut, mended or disturbed, with a word at the top."""
        together: dict[tuple[float, str], list[str]] = {}
        for time, text, words in self.world._simulation.faults():
            kind, x = json.loads(text)["kind"], time * 1000
            if kind in (*_LINES, "mend", "heal") and self.inside(x):
                colour = _GOOD if kind in ("mend", "heal") else _FAULT
                together.setdefault((x, colour), []).append(words)
        until = -math.inf
        lane = 0
        for (x, colour), names in together.items():
            self.ax.axvline(x, color=colour, lw=1, ls=(0, (4, 3)), alpha=0.8, zorder=1)
            line = ", ".join(names)
            line = line if len(line) <= _WORDS_MAX else line[: _WORDS_MAX - 1] + "…"
            here = (x - self.first) * self.points_x
            lane = lane + 1 if here < until else 0
            until = max(until, here + _points(line) + 12)
            self.lanes = max(self.lanes, lane + 1)
            self.ax.annotate(
                line, (x, 1), xycoords=("data", "axes fraction"), xytext=(3, 3 + 10 * lane),
                textcoords="offset points", color=colour, fontsize=_FONT + 0.5,
                annotation_clip=False,
            )  # fmt: skip

    # ---- messages

    def messages(self, shown: list[Message]) -> None:
        """Draws the arrows, and then as many labels as there is room for."""
        for message in shown:
            self.arrow(message)
        if len(shown) <= _MESSAGES_LABELLED:
            for message in shown:
                if message.kind != _QUIET:
                    self.label(message)

    def ends(self, message: Message) -> tuple[float, float, float, float]:
        """Returns where an arrow begins and ends; a lost message does not get there."""
        x, y = message.sent * 1000, float(message.source)
        to_x, to_y = message.arrived * 1000, float(message.target)
        if not message.lost:
            return x, y, to_x, to_y
        at_once = to_x - x < 1e-6
        share = _LOST_AT if at_once else _DROPPED_AT
        # What is lost at once has no time on its way; it leans as much as looks like a message.
        lean = 0.25 * abs(to_y - y) * self.points_y / self.points_x if at_once else to_x - x
        return x, y, x + lean * share, y + (to_y - y) * share

    def arrow(self, message: Message) -> None:
        """Draws one message."""
        quiet = message.kind == _QUIET
        colour = _COLOURS.get(message.kind, _INK)
        x, y, to_x, to_y = self.ends(message)
        self.ax.annotate(
            "", (to_x, to_y), xytext=(x, y), annotation_clip=False,
            arrowprops={
                "arrowstyle": "-" if message.lost else "-|>,head_length=0.45,head_width=0.17",
                "color": colour, "lw": 0.7 if quiet else 1.3, "shrinkA": 0, "shrinkB": 0,
                "alpha": 0.6 if quiet else 0.95, "linestyle": "-", "clip_on": True,
            },
            zorder=2.5 if quiet else 3,
        )  # fmt: skip
        if message.lost and self.inside(to_x):
            self.ax.plot(to_x, to_y, "x", color=colour, ms=5 if quiet else 7, mew=1.8, zorder=4)

    def label(self, message: Message) -> None:
        """Writes on an arrow what it is, if there is a place that nothing else has."""
        x, y, to_x, to_y = self.ends(message)
        from_x, from_y = self.spot(x, y)
        end_x, end_y = self.spot(to_x, to_y)
        length = math.hypot(end_x - from_x, end_y - from_y)
        for text in (message.label, message.kind):
            width = _points(text) + 4
            if message.lost and length < width:
                continue  # there is the cross
            for share in (0.5, 0.36, 0.64, 0.25, 0.75):
                if min(share, 1 - share) * length < width / 2 + 4:
                    continue
                middle = (from_x + share * (end_x - from_x), from_y + share * (end_y - from_y))
                angle = math.atan2(end_y - from_y, end_x - from_x)
                if self.take(middle, angle, width):
                    upright = -math.degrees(angle)
                    upright = upright + 180 if upright < -90 or upright > 90 else upright
                    self.ax.annotate(
                        text, (x + share * (to_x - x), y + share * (to_y - y)), xytext=(0, 0),
                        textcoords="offset points", rotation=upright, rotation_mode="anchor",
                        ha="center", va="center", fontsize=_FONT, zorder=5,
                        color=_COLOURS.get(message.kind, _INK),
                        bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none"},
                    )  # fmt: skip
                    return

    def take(self, middle: tuple[float, float], angle: float, width: float) -> bool:
        """Takes the room of a label along a line, unless some of it is taken."""
        radius = _FONT * 0.62
        count = max(2, math.ceil(width / (2 * radius)))
        steps = [(index / (count - 1) - 0.5) * (width - 2 * radius) for index in range(count)]
        discs = [
            (middle[0] + step * math.cos(angle), middle[1] + step * math.sin(angle), radius)
            for step in steps
        ]
        paper = (self.last - self.first) * self.points_x
        if discs[0][0] < 0 or discs[-1][0] > paper:
            return False
        for a, b, r in discs:
            if any(math.hypot(a - c, b - d) < r + s for c, d, s in self.taken):
                return False
        self.taken += discs
        return True

    # ---- what came of it

    def blocks(self, events: Iterable[Event]) -> None:
        """Marks where a node applied a block, with its height."""
        for event in events:
            x = event.time * 1000
            if event.event == "block" and self.inside(x):
                self.ax.plot(x, event.node, "s", color=_INK, ms=6.5, mec="white", zorder=5)
                self.ax.annotate(
                    str(event.slot), (x, event.node), xytext=(0, 6), textcoords="offset points",
                    ha="center", fontsize=_FONT - 1, color=_INK, path_effects=_HALO, zorder=5,
                )  # fmt: skip

    def requests(self) -> None:
        """Marks where somebody asked a node for something, and where the answer came."""
        for request in self.world.requests:
            begun, ended = request._told()[:2]
            if self.inside(begun * 1000):
                self.ax.plot(begun * 1000, request.node - 0.1, "v", color="#00785A", ms=7, zorder=6)
                key = request.key.decode(errors="replace")
                self.note(
                    begun * 1000, request.node, f"{request.kind} {key}", "#00785A", below=False
                )
            if ended is not None and self.inside(ended * 1000):
                good = request.outcome in ("ok", "not_found")
                colour = _GOOD if good else _FAULT
                self.ax.plot(ended * 1000, request.node - 0.1, "^", color=colour, ms=7, zorder=6)
                words = request.outcome.replace("_", " ")
                self.note(ended * 1000, request.node, words, colour, below=False)

    def frame(self, title: str, shown: Iterable[Message]) -> None:
        """Names the axes, and what the colours and marks mean."""
        ax = self.ax
        ax.set_yticks(list(self.world.ids), [f"node {node}" for node in self.world.ids])
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("simulated time in ms")
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
        ax.grid(axis="x", color="#E4E4E4", lw=0.6, zorder=0)
        ax.set_axisbelow(True)
        if title:
            ax.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8 + 10 * self.lanes)
        found = {message.kind for message in shown}
        names: dict[str, list[str]] = {}
        for kind in KINDS:
            if kind in found:
                names.setdefault(_COLOURS[kind], []).append(kind)
        handles = [
            Line2D([], [], color=colour, lw=1.6, label=" / ".join(kinds))
            for colour, kinds in names.items()
        ]
        marks: list[dict[str, Any]] = [
            {"color": _LEADS, "lw": 7, "alpha": 0.6, "label": "leads"},
            {"color": _INK, "marker": "s", "lw": 0, "ms": 6, "label": "block applied (height)"},
        ]
        if any(message.lost for message in shown):
            marks.append({"color": _INK, "marker": "x", "lw": 0, "ms": 6, "label": "lost"})
        handles += [Line2D([], [], **mark) for mark in marks]
        ax.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.17 * 4.9 / self.inches()),
            ncols=min(len(handles), 6), frameon=False, fontsize=_FONT + 0.5,
        )  # fmt: skip

    def inches(self) -> float:
        """Returns the height of the figure."""
        return float(self.ax.figure.get_size_inches()[1])  # type: ignore[union-attr]


def _points(text: str) -> float:
    return float(TextPath((0, 0), text, size=_FONT).get_extents().width) if text else 0.0
