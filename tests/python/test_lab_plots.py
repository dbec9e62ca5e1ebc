"""Pictures: every axis has its unit, and no label covers another one or leaves the picture."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from lab_results import kill, make_result

from paxledger.lab import Result
from paxledger.lab.fault_track import LANES_MAX, marks_of, place
from paxledger.lab.plots import NODE_COLOURS, bin_of
from paxledger.lab.recording import FaultEvent

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Rectangle, StepPatch  # noqa: E402
from matplotlib.text import Annotation  # noqa: E402


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    pyplot.close("all")


FEW = [
    kill(2, 2.0, 4.0),
    FaultEvent(3, 3, 3.1, "isolate", "leader", (1,), "isolate 1 (leader)", "", True, 5.0),
    FaultEvent(3.2, 3.2, 3.2, "delay", "1, 2", (1, 2), "delay 1-2 50 ms", "", True, 5.0),
    FaultEvent(5, 5, 5.0, "heal", "", (), "heal"),
    kill(3, 9.9, None),
]
TEN = [kill(1 + number % 3, 1.0 + 0.85 * number, 1.4 + 0.85 * number) for number in range(10)]
CROWD = [kill(1, 0.1 * number, 0.1 * number + 0.05) for number in range(95)]
PILE = [kill(1, 0.1 + 0.01 * number, None) for number in range(40)]


def render(figure: Any) -> None:
    """Lets the layout be done, and everything be drawn that could fail."""
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()


def track_of(figure: Any) -> tuple[Any, list[Annotation]]:
    ax = figure.axes[0]
    return ax, [text for text in ax.texts if isinstance(text, Annotation) and text.get_text()]


@pytest.mark.parametrize("faults", [FEW, TEN, CROWD, PILE], ids=["few", "ten", "crowd", "pile"])
def test_no_label_of_a_fault_covers_another_or_leaves_the_picture(faults: list[FaultEvent]) -> None:
    figure = make_result(faults=faults).plot()
    figure.draw_without_rendering()
    ax, labels = track_of(figure)
    boxes = [label.get_window_extent() for label in labels]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    # Beyond the panels there is room up to the width of the legend, but not more.
    for box in boxes:
        assert box.x0 >= ax.get_window_extent().x0 - 1
        assert box.x1 <= figure.bbox.x1
    if faults is FEW or faults is TEN:
        assert len(labels) == len(faults)


def test_bars_of_faults_share_no_lane_at_the_same_time() -> None:
    marks = marks_of(make_result(faults=FEW))
    lanes = place(marks, 10.0, 8.0)
    assert 1 < lanes <= LANES_MAX
    for one, other in itertools.combinations(marks, 2):
        if one.lane == other.lane:
            assert one.end <= other.start or other.end <= one.start


def test_all_panels_share_the_time_and_name_their_units() -> None:
    figure = make_result(faults=FEW).plot(title="A title")
    panels = figure.axes[1:]
    assert len(panels) == 4
    assert [ax.get_xlim() for ax in panels] == [(0.0, 10.0)] * 4
    labels = [ax.get_ylabel() for ax in panels]
    for wanted, label in zip(("operations / s", "ms", "role", "blocks"), labels, strict=True):
        assert wanted in label
    assert "(s)" in panels[-1].get_xlabel()


def test_the_times_in_which_something_was_broken_are_shaded_in_every_panel() -> None:
    figure = make_result(faults=[kill(2, 2.0, 4.0), kill(3, 3.0, 5.0), kill(1, 7.0, None)]).plot()
    for ax in figure.axes[1:]:
        spans = [
            (patch.get_x(), patch.get_x() + patch.get_width())
            for patch in ax.patches
            if isinstance(patch, Rectangle) and patch.get_zorder() == 0
        ]
        assert spans == [pytest.approx((2.01, 5.0)), pytest.approx((7.01, 10.0))]


def test_a_result_without_faults_or_operations_can_be_drawn() -> None:
    result = make_result()
    assert len(result.plot().axes) == 4, "no track"
    empty = make_result(duration=1.0)
    empty = Result(
        empty.operations.iloc[:0], empty.faults, empty.leaders, empty.heights.iloc[:0],
        empty.metadata,
    )  # fmt: skip
    empty.plot().draw_without_rendering()
    render(empty.plot_gaps().figure)


@pytest.mark.parametrize("count", [0, 1, 10, 50_000])
def test_every_picture_says_something_true_of_few_and_of_many_operations(count: int) -> None:
    start = np.linspace(0.0, 9.9, count)
    result = Result.from_records(
        duration=10.0,
        operations={
            "start": start,
            "end": start + np.linspace(0.002, 0.004, count),
            "kind": ["put", "get"] * (count // 2) + ["put"] * (count % 2),
            "key": ["k"] * count,
            "outcome": ["ok"] * count,
        },
        faults=[{"start": 1.0, "action": "kill", "nodes": 1, "breaks": True}] * bool(count),
        heights=[{"time": 0.0, "node": 1, "height": 0, "role": "leader"}] * bool(count),
    )
    figure = result.plot()
    render(figure)
    said = {text.get_text() for ax in figure.axes for text in ax.texts}
    empty = {"no operations", "no operation was answered", "no node was asked"}
    assert (empty <= said) if count == 0 else not (empty & said)
    for draw in (
        result.plot_throughput,
        result.plot_latency,
        result.plot_leaders,
        result.plot_heights,
        result.plot_gaps,
    ):
        ax = draw()
        render(ax.figure)
        labels = [label.get_text() for label in ax.get_yticklabels() if label.get_text()]
        assert len(set(labels)) == len(labels), f"two ticks of {draw.__name__} say the same"
        if draw == result.plot_latency and count:
            low, high = ax.get_ylim()
            seen = [tick for tick in ax.get_yticks() if low <= tick <= high]
            assert len(seen) >= 1, "a logarithmic axis without any number"


def test_operations_that_took_no_time_can_be_drawn() -> None:
    put = {"start": 1.0, "end": 1.0, "kind": "put", "key": "k", "outcome": "ok"}
    for rows in ([put], [put, put | {"end": 1.5}]):
        render(Result.from_records(duration=2.0, operations=rows).plot())


def test_single_pictures_stand_alone_or_in_given_axes() -> None:
    result = make_result(faults=FEW)
    for draw in (
        result.plot_throughput,
        result.plot_latency,
        result.plot_leaders,
        result.plot_heights,
        result.plot_gaps,
    ):
        alone = draw()
        assert alone.get_ylabel() and alone.get_xlabel()
        render(alone.figure)
        _, given = pyplot.subplots()
        assert draw(given) is given


def test_the_throughput_is_what_was_answered() -> None:
    ax = make_result().plot_throughput(bin=1.0)
    writes, reads = (patch.get_data()[0] for patch in ax.patches if isinstance(patch, StepPatch))
    assert set(writes) == set(reads) == {100.0}


def test_the_latency_is_by_the_time_at_which_an_operation_began() -> None:
    ax = make_result(stalls=[(2.0, 2.5)]).plot_latency(bin=0.5)
    worst = next(line for line in ax.lines if line.get_label() == "writes, maximum")
    by_time = dict(np.asarray(worst.get_xydata()).tolist())
    assert by_time[2.25] == pytest.approx(501, abs=1), "the stall, where it began"
    assert by_time[1.75] == pytest.approx(2)


def test_a_bin_must_fit() -> None:
    with pytest.raises(ValueError, match="a bin is above 0"):
        make_result().plot(bin=0)
    with pytest.raises(ValueError, match="at most 10 seconds"):
        make_result().plot(bin=11)
    assert [bin_of(length) for length in (1, 10, 60, 3600)] == [0.01, 0.1, 0.5, 30]


def test_nine_nodes_have_nine_colours_that_differ_in_brightness_or_hue() -> None:
    assert len(set(NODE_COLOURS)) == 9
    figure = make_result(nodes=9).plot()
    figure.draw_without_rendering()
