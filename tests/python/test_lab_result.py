"""Results: what is computed of them is right, and files give back what was saved."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from lab_results import kill, make_result

from paxledger.lab import Result, at
from paxledger.lab.recording import FaultEvent, OperationRecord, Sample
from paxledger.lab.tables import leaders_table, operations_table

FRAMES = ("operations", "faults", "leaders", "heights")


@pytest.fixture
def result() -> Result:
    return make_result(faults=[kill(2, 2.0, 4.0), kill(3, 6.0, None)], stalls=[(2.0, 2.5)])


# --- gaps


def test_the_gap_is_from_the_kill_to_the_next_acknowledged_write(result: Result) -> None:
    gaps = result.gaps()
    assert gaps["nodes"].tolist() == ["2", "3"]
    # The node was gone at 2.01; the first write that began then was acknowledged at 2.501.
    assert gaps["gap"][0] == pytest.approx(2.501 - 2.01)
    assert gaps["gap"][1] == pytest.approx(6.012 - 6.01), "killing a follower stops nothing"


def test_a_write_whose_answer_was_on_its_way_does_not_end_the_gap() -> None:
    record = OperationRecord()
    record.add(0.9, 0.9, 1.0001, "put", "k", "ok", 1, 0, "w")  # begun before, answered after
    record.add(1.0002, 1.0002, 1.0005, "get", "k", "ok", 1, 0, "w")  # no write
    record.add(1.1, 1.1, 1.2, "put", "k", "no_quorum", 0, 0, "w")  # not acknowledged
    record.add(1.3, 1.3, 1.4, "put", "k", "ok", 2, 0, "w")
    result = make_result(faults=[kill(1, 0.99, None)])
    result.operations = operations_table(record)
    assert result.gaps()["gap"].tolist() == [pytest.approx(0.4)]


def test_no_write_after_a_kill_is_a_gap_without_end() -> None:
    result = make_result(faults=[kill(1, 9.995, None)])
    assert math.isnan(result.gaps()["gap"][0])
    assert result.gaps("partition").empty


def test_a_failed_kill_has_no_gap() -> None:
    failed = kill(1, 2.0, None)
    failed.error = "BadRequest: it does not run"
    assert make_result(faults=[failed]).gaps().empty


def test_the_next_leader_is_the_one_seen_after_the_kill() -> None:
    samples = [Sample(tick / 10, 1, "leader", 1, 1, "1.1", True) for tick in range(10)]
    samples += [Sample(tick / 10, 2, "leader", 1, 2, "2.2", True) for tick in range(15, 30)]
    result = make_result(faults=[kill(1, 1.0, None)])
    result.leaders = leaders_table(samples, 0.1)
    (gap,) = result.gaps().itertuples()
    assert gap.leader == 2
    assert gap.elected == pytest.approx(1.5 - 1.01)


def test_the_longest_gap_counts_from_the_beginning_to_the_end(result: Result) -> None:
    gap, begin = result.longest_gap()
    assert gap == pytest.approx(0.509, abs=0.001)  # from 1.992 to 2.501
    assert begin == pytest.approx(1.992)
    late = make_result(duration=3.0, stalls=[(1.0, 20.0)])
    assert late.longest_gap() == pytest.approx((3.0 - 0.992, 0.992))
    reads = make_result()
    reads.operations = reads.operations[reads.operations["kind"] == "get"]
    assert reads.longest_gap() == (None, 0.0)


# --- leaders


def test_a_leader_is_a_span_until_it_says_otherwise_or_is_silent() -> None:
    def sample(time: float, node: int, role: str, ballot: str) -> Sample:
        return Sample(time, node, role, 1, 1, ballot, True)

    samples = [
        sample(0.0, 1, "leader", "1.1"),
        sample(0.1, 1, "leader", "1.1"),
        Sample(0.2, 1),  # one answer that did not come
        sample(0.3, 1, "leader", "1.1"),
        sample(0.4, 1, "follower", "2.2"),
        sample(0.4, 2, "leader", "2.2"),  # two at once: the first was cut off
        sample(0.5, 2, "leader", "2.2"),
        sample(0.6, 1, "leader", "3.1"),
        *(Sample(0.7 + tick / 10, 1) for tick in range(20)),
        sample(2.8, 1, "leader", "3.1"),
    ]
    table = leaders_table(samples, 0.1)
    spans = [(row.start, row.end, row.node, row.ballot) for row in table.itertuples()]
    assert spans == [
        (0.0, 0.3, 1, "1.1"),
        (0.4, 0.5, 2, "2.2"),
        (0.6, 0.6, 1, "3.1"),
        (2.8, 2.8, 1, "3.1"),
    ]


# --- the summary


def test_the_summary_counts_answers_errors_and_failed_actions() -> None:
    failed = FaultEvent(1, 1, 1, "kill", "leader", (), "kill leader", "TargetError: no leader")
    result = make_result(faults=[failed], notes=["it ended early"], messages={"timeout": "silence"})
    record = OperationRecord()
    for number in range(100):
        record.add(0.0, 0.0, (number + 1) / 1000, "put", "k", "ok", 1, 0, "w")
    record.add(0.0, 0.0, 5.0, "put", "k", "unknown", 0, 0, "w")
    record.add(0.0, 0.0, 5.0, "get", "k", "timeout", 0, 0, "w")
    record.add(0.0, 0.0, 0.1, "get", "k", "not_found", 0, 0, "w")
    record.add(0.0, 0.0, 11.0, "get", "k", "ok", 1, 0, "w")  # after the end
    result.operations = operations_table(record)
    summary = result.summary()
    assert (summary.operations, summary.answered) == (104, 102)
    assert summary.throughput == pytest.approx(101 / 10)
    assert summary.latency["put"]["max"] == pytest.approx(0.1)
    assert summary.latency["put"]["p50"] == pytest.approx(0.0505)
    assert summary.errors == {("get", "timeout"): 1, ("put", "unknown"): 1}
    text, page = str(summary), summary._repr_html_()
    for wanted in ("get: timeout", "silence", "FAILED ACTION", "TargetError", "it ended early"):
        assert wanted in text and wanted in page
    assert "<script>" not in make_result(notes=["<script>"])._repr_html_()
    json.dumps(summary.to_dict())


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (1, "p50 1 ms, max 1 ms (of 1)"),
        (20, "p50 10.5 ms, p95 19.1 ms, max 20 ms (of 20)"),
        (100, "p50 50.5 ms, p95 95 ms, p99 99 ms, max 100 ms (of 100)"),
        (1000, "p50 500 ms, p95 950 ms, p99 990 ms, p99.9 999 ms, max 1,000 ms"),
    ],
)
def test_the_text_has_only_quantiles_that_so_many_operations_can_have(
    count: int, wanted: str
) -> None:
    rows = [
        {"start": 0.0, "end": number / 1000, "kind": "put", "key": "k", "outcome": "ok"}
        for number in range(1, count + 1)
    ]
    summary = Result.from_records(duration=10.0, operations=rows).summary()
    assert dict(summary.rows())["latency of put"] == wanted
    assert summary.counts == {"put": count}
    assert ("throughput", f"{count / 10:g} answers per second") in summary.rows()


# --- files


@pytest.mark.parametrize("name", ["a.result", "b.jsonl", "c"])
def test_what_was_saved_is_loaded_again(result: Result, tmp_path: Path, name: str) -> None:
    path = result.save(tmp_path / name)
    again = Result.load(path)
    assert again.metadata == result.metadata
    assert again.schedule == at(1.0).heal()
    for frame in FRAMES:
        pd.testing.assert_frame_equal(getattr(again, frame), getattr(result, frame))
    assert str(again.summary()) == str(result.summary())


@pytest.mark.parametrize("name", ["a.result", "b.jsonl"])
def test_a_result_without_any_row_is_saved_too(tmp_path: Path, name: str) -> None:
    empty = make_result(duration=0.001)
    for frame in FRAMES:
        setattr(empty, frame, getattr(empty, frame).iloc[:0])
    again = Result.load(Result(**vars(empty)).save(tmp_path / name))
    for frame in FRAMES:
        assert len(getattr(again, frame)) == 0
    assert "operations" in str(again.summary())


def test_the_folder_holds_readable_metadata_and_a_table_each(
    result: Result, tmp_path: Path
) -> None:
    path = result.save(tmp_path / "r")
    assert {each.name for each in path.iterdir()} == {
        "metadata.json",
        *(f"{frame}.parquet" for frame in FRAMES),
    }
    metadata = json.loads((path / "metadata.json").read_text(encoding="utf-8"))
    assert (metadata["format"], metadata["version"], metadata["seed"]) == ("paxledger.lab", 1, 1)


@pytest.mark.parametrize("name", ["a.result", "b.jsonl"])
def test_nothing_is_overwritten_unasked_nor_what_is_no_result(
    result: Result, tmp_path: Path, name: str
) -> None:
    path = result.save(tmp_path / name)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        result.save(path)
    result.save(path, overwrite=True)
    other = tmp_path / f"other-{name}"
    if path.is_dir():
        other.mkdir()
        (other / "thesis.txt").write_text("years of work", encoding="utf-8")
    else:
        other.write_text("years of work", encoding="utf-8")
    with pytest.raises(FileExistsError, match="no result"):
        result.save(other, overwrite=True)
    assert other.exists()


def test_what_is_no_result_is_refused_with_its_name(result: Result, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        Result.load(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello", encoding="utf-8")
    with pytest.raises(ValueError, match="text, line 1, is no result"):
        Result.load(tmp_path / "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"no metadata\.json"):
        Result.load(tmp_path / "folder")
    later = result.save(tmp_path / "later")
    metadata = json.loads((later / "metadata.json").read_text(encoding="utf-8"))
    (later / "metadata.json").write_text(json.dumps({**metadata, "version": 2}), encoding="utf-8")
    with pytest.raises(ValueError, match="version 2"):
        Result.load(later)
    gone = result.save(tmp_path / "gone")
    (gone / "faults.parquet").unlink()
    with pytest.raises(ValueError, match=r"gone is a damaged result: it has no faults\.parquet"):
        Result.load(gone)
    (gone / "faults.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ValueError, match=r"faults\.parquet is damaged"):
        Result.load(gone)


def _cut(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1][:-20]]


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_cut, "line {last}, is no result of an experiment, or damaged: "),
        (lambda lines: [*lines[:-1], lines[-1].rstrip()], "line {last}, is damaged: it has no end"),
        (lambda lines: lines[:-1], "line 1 promises 300 rows of heights, and there are 299"),
        (lambda lines: lines[:1], "line 1 promises 2000 rows of operations, and there are 0"),
        (lambda lines: [lines[0], "5\n"], "line 2, .*no JSON object"),
        (lambda lines: [lines[0], '{"table": "nodes"}\n'], "line 2, .*table is 'nodes'; expected"),
        (lambda lines: [lines[0], '{"table": "leaders"}\n'], "line 2, is damaged: it lacks start"),
        (
            lambda lines: [lines[0].replace('"seed": 1', '"seed": "x"'), *lines[1:]],
            "line 1, .*seed is a whole",
        ),
        (
            lambda lines: [lines[0].replace('"first": 1.0', '"first": -1'), *lines[1:]],
            "line 1, .*schedule is what .*first is at least 0",
        ),
        (lambda lines: ['{"table": "metadata", "a": 1}\n'], "does not say 'paxledger.lab'"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 9')], "has version 9"),
        (
            lambda lines: [*lines[:5], lines[5].replace('"kind": "', '"kind": "s'), *lines[6:]],
            "the table operations has kind = 's[a-z]+' in row 4; expected one of get, put",
        ),
    ],
)
def test_a_file_that_is_cut_or_foreign_or_changed_is_refused_with_its_line(
    result: Result, tmp_path: Path, spoil: Callable[[list[str]], list[str]], text: str
) -> None:
    path = result.save(tmp_path / "r.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(spoil(lines)), encoding="utf-8")
    with pytest.raises(ValueError, match=text.replace("{last}", str(len(lines)))) as caught:
        Result.load(path)
    assert "r.jsonl" in str(caught.value)


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.parquet", "run.5"])
def test_a_suffix_that_means_nothing_is_refused(result: Result, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"expected \.jsonl .*\.result or no suffix"):
        result.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error_and_is_not_made(result: Result, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder .*deep"):
        result.save(tmp_path / "deep" / "r.jsonl")
    assert not list(tmp_path.iterdir())


def test_the_gaps_of_an_action_that_there_is_not_are_refused(result: Result) -> None:
    with pytest.raises(ValueError, match="actions names 'foo'; there are .*heal.*kill"):
        result.gaps("foo")
    assert len(result.gaps("partition")) == 0
    assert len(result.gaps(["kill", "heal"])) == 2
