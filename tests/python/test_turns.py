"""What bench/turns.py makes of its options and of what it measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cluster import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import turns  # noqa: E402
from generators import Load  # noqa: E402


@pytest.mark.parametrize(
    ("name", "workload", "outstanding", "rate", "through_follower"),
    [
        ("put:64", "put", 64, 0, False),
        ("get:1:follower", "get", 1, 0, True),
        ("mixed@4000", "mixed", 64, 4000, False),
    ],
)
def test_a_load_is_what_its_name_says(
    name: str, workload: str, outstanding: int, rate: float, through_follower: bool
) -> None:
    found = turns.asked(name, Load(value_bytes=7))
    assert found.load.workload == workload
    assert found.load.outstanding == outstanding
    assert found.load.rate == rate
    assert found.load.value_bytes == 7
    assert found.through_follower == through_follower
    assert found.load.generators == (turns.CLIENTS if rate else 1)


def test_a_build_may_have_settings() -> None:
    assert turns.parts_of("a=/b/c") == ("a", Path("/b/c"), "")
    assert turns.parts_of("a=/b/c:batch_wait=0ms,resend=1s") == (
        "a",
        Path("/b/c"),
        "batch_wait: 0ms, resend: 1s",
    )


@pytest.mark.parametrize("name", ["", "put", "put:", "put:x", "scan:1", "put:1@2", "put@"])
def test_a_load_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no load"):
        turns.asked(name, Load())


def test_the_table_has_medians_and_ratios_within_rounds() -> None:
    def found(per_second: float) -> turns.Figures:
        return turns.Figures(per_second, 1.5, 3, 20, 62)

    text = turns.table(
        {"put:64": {"before": [found(100), found(200)], "after": [found(150), found(280)]}}
    )
    before, after = text.splitlines()[2:]
    assert before.startswith("| put:64 | before | 150 [100 … 200] | 1.00 | 1.50 | 3.00 |")
    assert after.startswith("| put:64 | after | 215 [150 … 280] | 1.45 |")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["before=/nowhere"], "expected NAME=FOLDER"),
        (["--loads=put", "etcd"], "is no load"),
        (["etcd", "etcd"], "two of the builds have one name"),
    ],
)
def test_bad_options_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        turns.options_of(arguments)
    assert said in capsys.readouterr().err
