"""What bench/growth.py concludes from what it saw."""

from __future__ import annotations

import sys

import pytest

from cluster import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import growth  # noqa: E402
from growth import Run, Sample, StartUp  # noqa: E402


def test_the_slope_is_that_of_the_line_whatever_a_few_points_do() -> None:
    times = [float(at) for at in range(20)]
    values = [3 + 2 * at for at in times]
    assert growth.slope_of(times, values) == pytest.approx(2)
    assert growth.line_of(times, values) == pytest.approx((2, 3))
    values[4], values[17] = 500, -500
    assert growth.line_of(times, values) == pytest.approx((2, 3))
    assert growth.slope_of([1.0], [5.0]) == 0


def test_a_drift_is_a_share_of_the_first_value() -> None:
    times = [10.0, 20, 30, 40]
    assert growth.drift_of(times, [100, 110, 120, 130]) == pytest.approx(0.3)
    assert growth.drift_of(times, [100, 100, 100, 100]) == 0
    assert growth.drift_of(times, [100, 90, 80, 70]) == pytest.approx(-0.3)


def start(gigabytes: float, seconds: float) -> StartUp:
    """Of a node with so many blocks."""
    return StartUp(round(gigabytes * 1e9), 1000, 1000 * seconds, seconds, 50)


def test_start_up_bends_where_the_last_one_takes_longer_than_a_line_says() -> None:
    straight = [start(size, 0.2 + 2 * size) for size in (0, 1, 2, 3)]
    assert growth.bend_of(straight) == pytest.approx(1)
    assert growth.bend_of([*straight, start(4, 12.3)]) == pytest.approx(1.5)
    assert growth.bend_of(straight[:2]) == 1


def test_the_disk_is_known_before_the_run() -> None:
    hour = growth.bytes_of(rate=4000, seconds=3600, value_bytes=256, nodes=3)
    assert 15e9 < hour < 20e9


def run_with(p99: float, rss: float, failed: int = 0) -> Run:
    """A run of half an hour whose p99 and memory rise to so many times what they were.

    The memory is that of one node; another one, which is restarted, has ten times as much later.
    """
    samples = []
    for place in range(30):
        share = place / 29
        memory = {1: 50 * (1 + (rss - 1) * share), 2: 50.0, 3: 50.0 + 500 * share}
        samples.append(
            Sample(
                at=60.0 * (place + 1),
                per_second=1000,
                failed=failed,
                p50=1,
                p99=5 * (1 + (p99 - 1) * share),
                cpu_us=30,
                rss_mib=memory,
                disk_bytes=place,
                block_bytes=round(60_000 * 300 * place),
                height=place,
            )
        )
    return Run(samples, [start(size, 0.2 + 2 * size) for size in (0, 1, 2)], restarted=3)


def verdicts(run: Run) -> dict[str, str]:
    """By the names of the figures."""
    return {row.name: row.verdict for row in growth.table_of(run)}


def test_a_run_that_stays_as_it_is_meets_everything() -> None:
    table = growth.table_of(run_with(p99=1, rss=1))
    assert {row.verdict for row in table} == {"met", ""}
    assert table[-2].rounds == [0, 0], "octets of memory for each block"
    assert table[-1].rounds == [pytest.approx(300)], "octets of blocks for each write"


def test_what_drifts_is_said_and_nothing_else() -> None:
    of_p99 = verdicts(run_with(p99=1.5, rss=1))
    assert [name for name, verdict in of_p99.items() if verdict == "missed"] == [
        "drift of the latency, p99"
    ]
    of_memory = verdicts(run_with(p99=1, rss=3))
    assert [name for name, verdict in of_memory.items() if verdict == "missed"] == [
        "drift of a node's memory, the largest"
    ]
    failed = verdicts(run_with(p99=1, rss=1, failed=1))
    assert failed["requests that failed"] == "missed"
