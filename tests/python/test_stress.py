"""What bench/stress.py concludes from what it saw."""

from __future__ import annotations

import sys

import pytest

from cluster import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import figures  # noqa: E402
import generators  # noqa: E402
import stress  # noqa: E402
import watch  # noqa: E402
from watch import Sample  # noqa: E402


def figure(*rounds: float, more_is_better: bool = True) -> figures.Figure:
    """One with a bound of 0.9."""
    return figures.Figure("puts", "× undisturbed", 0.9, more_is_better, list(rounds))


def test_the_median_of_the_rounds_is_compared_with_the_bound() -> None:
    assert figure(0.5, 0.91, 2.0).verdict == "met"
    assert figure(0.5, 0.89, 2.0).verdict == "missed"
    assert figure(0.5, 0.89, 2.0, more_is_better=False).verdict == "met"
    assert figure().verdict == "not measured"
    assert figures.Figure("p99", "ms", None, rounds=[1.0]).verdict == ""


def test_the_table_shows_figure_bound_and_verdict() -> None:
    head, line = figures.table_of([figure(0.5, 0.91, 2.0)]).splitlines()
    assert head.split() == ["median", "[min", "…", "max]", "wanted", "verdict"]
    assert line == "puts, × undisturbed  0.91 [0.50 … 2.00]  ≥ 0.9   met"


def sample(at: float, height: int | None, fetched: int = 0, written: int = 0) -> Sample:
    """Of a node that decided ten commands in each block."""
    commands = None if height is None else 10 * height
    return Sample(at, 1, 50.0, height, commands, written, fetched)


def test_a_catch_up_begins_before_the_first_fetched_block_and_ends_level_with_the_leader() -> None:
    leader = [sample(at / 10, 1000 + at, written=10_000 + 1000 * at) for at in range(20)]
    behind = [
        sample(0.01, None),
        sample(0.11, 100),
        sample(0.21, 500, fetched=400),
        sample(0.31, 900, fetched=800),
        sample(0.41, 1003, fetched=903),
        sample(0.51, 1005, fetched=905),
    ]
    found = watch.catch_up_of(behind, leader, 5000)
    assert found == watch.CatchUp(begin=0.11, end=0.41, bytes=8000)
    assert found.mb_per_second == pytest.approx(8000 / 1e6 / 0.3)
    assert watch.catch_up_of(behind[:4], leader, 5000) is None, "not level yet"
    assert watch.catch_up_of(behind[:2], leader, 5000) is None, "nothing fetched yet"


def test_a_rate_counts_between_the_samples_inside_of_a_window() -> None:
    samples = [sample(at / 10, 100 * at) for at in range(10)]
    assert watch.rate(samples, 0.25, 0.75) == pytest.approx(10_000)
    with pytest.raises(ValueError, match="1 samples between"):
        watch.rate(samples, 0.25, 0.35)


def test_memory_is_compared_by_the_peaks_of_any_node() -> None:
    samples = [Sample(at, node, rss) for at, node, rss in ((0, 1, 50), (1, 2, 100), (3, 1, 110))]
    assert stress.later_over_earlier(samples, 2) == pytest.approx(1.1)


def test_the_share_of_an_error_is_that_among_errors() -> None:
    assert stress.share_of("overloaded", {"overloaded": 99, "timeout, outcome unknown": 1}) == 0.99
    assert stress.share_of("overloaded", {}) == 1


def test_several_generators_share_a_load_and_their_errors_are_summed() -> None:
    parts = generators.Load(outstanding=1000, connections=16, rate=1200, generators=12).parts()
    assert len(parts) == 12
    assert sum(part.outstanding for part in parts) == 1000
    assert sum(part.connections for part in parts) == 16
    assert sum(part.rate for part in parts) == pytest.approx(1200)
    part = {
        "ok": False,
        "begun": 7,
        "completed": 5,
        "failed": 2,
        "per_second": 5.0,
        "connections": 1,
        "latency_ms": {"p99": 1.0},
        "warm_up": {"completed": 1},
        "errors": {"overloaded": 2},
    }
    found = generators.together([part, {**part, "errors": {}}, part])
    assert found["completed"] == 15
    assert found["begun"] == 21
    assert found["errors"] == {"overloaded": 4}


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        stress.options_of(["--scenarios", "paused,floods"])
    assert "no such scenario: floods" in capsys.readouterr().err
