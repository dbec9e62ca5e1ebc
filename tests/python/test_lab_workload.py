"""Workloads: the same seed gives the same operations, and the shares are those asked for."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from paxledger.lab import Keys, Mixed, Operation, Phonebook, Puts, Workload


def draw(workload: Workload, count: int, seed: int = 1) -> list[Operation]:
    random = Random(seed)
    workload.begin()
    return [workload.next_operation(random) for _ in range(count)]


@pytest.mark.parametrize(
    "make",
    [Mixed, Puts, Phonebook, lambda: Mixed(distribution="sequential")],
    ids=["Mixed", "Puts", "Phonebook", "sequential"],
)
def test_a_seed_gives_the_same_operations_again_and_another_one_others(make: Any) -> None:
    workload = make()
    first = draw(workload, 200)
    assert draw(workload, 200) == first, "also from a workload that was used before"
    assert draw(make(), 200) == first
    assert draw(make(), 200, seed=2) != first


def test_the_operations_of_a_seed_do_not_depend_on_the_version_of_python() -> None:
    drawn = [(each.kind, each.key) for each in draw(Mixed(keys=100), 4)]
    assert drawn == [("get", "key-84"), ("put", "key-25"), ("put", "key-0"), ("put", "key-38")]


def test_uniform_takes_all_keys_about_equally_often() -> None:
    keys = Keys([str(n) for n in range(10)])
    random = Random(1)
    counts = Counter(keys.draw(random) for _ in range(20_000))
    assert len(counts) == 10
    assert all(1_800 <= count <= 2_200 for count in counts.values()), counts


@pytest.mark.parametrize("skew", [0.5, 0.99, 2.0])
def test_zipf_takes_the_nth_key_in_proportion_to_its_rank(skew: float) -> None:
    keys = Keys([str(n) for n in range(50)], "zipf", skew)
    random = Random(1)
    draws = 50_000
    counts = Counter(keys.draw(random) for _ in range(draws))
    total = sum(1 / rank**skew for rank in range(1, 51))
    for rank in (1, 2, 5, 10):
        expected = draws / rank**skew / total
        assert abs(counts[str(rank - 1)] - expected) < 5 * expected**0.5, (rank, counts)


def test_sequential_takes_one_after_another() -> None:
    keys = Keys(["a", "b"], "sequential")
    assert [keys.draw(Random(1)) for _ in range(5)] == ["a", "b", "a", "b", "a"]


def test_the_shares_of_reads_and_deletes_are_those_asked_for() -> None:
    counts = Counter(each.kind for each in draw(Mixed(reads=0.7, deletes=0.1), 10_000))
    assert abs(counts["get"] - 7_000) < 250
    assert abs(counts["delete"] - 1_000) < 150
    assert {each.kind for each in draw(Puts(), 100)} == {"put"}
    assert {each.kind for each in draw(Mixed(reads=1), 100)} == {"get"}


def test_values_have_the_size_asked_for_and_every_key_is_written_before_the_clock_starts() -> None:
    workload = Mixed(keys=7, value_bytes=33)
    filled = list(workload.initial(Random(1)))
    assert [each.key for each in filled] == [f"key-{n}" for n in range(7)]
    assert {len(each.value) for each in filled} == {33}
    assert list(Mixed(fill=False).initial(Random(1))) == []


def test_the_phone_book_has_net_ids_and_numbers() -> None:
    entries = list(Phonebook(people=300).initial(Random(1)))
    assert len({each.key for each in entries}) == 300
    for each in entries:
        assert each.key[:7].isdigit() and each.key.endswith("_netid")
        area, rest = each.value["phone_number"].split(" ")
        assert len(area) == 5 and len(rest) == 8, each.value


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0},
        {"rate": float("nan")},
        {"concurrency": 0},
        {"rate": 5, "outstanding_max": 0},
        {"deadline": 0},
        {"nodes": []},
        {"reads": 1.5},
        {"reads": 0.6, "deletes": 0.6},
        {"keys": 0},
        {"keys": 1_000_001},
        {"distribution": "normal"},
        {"skew": 0},
        {"value_bytes": -1},
        {"value_bytes": (1 << 20) + 1},
        {"consistency": "eventual"},
    ],
    ids=str,
)
def test_a_setting_out_of_its_bounds_is_refused_with_its_name(options: dict[str, Any]) -> None:
    *_, name = options
    with pytest.raises(ValueError, match=name):
        Mixed(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": "fast"},
        {"rate": True},
        {"concurrency": 2.5},
        {"rate": 5, "outstanding_max": "many"},
        {"deadline": "soon"},
        {"deadline": None},
        {"nodes": "12"},
        {"nodes": 3},
        {"nodes": [1, "2"]},
        {"reads": "half"},
        {"deletes": None},
        {"keys": "all"},
        {"keys": 1.5},
        {"distribution": 3},
        {"skew": "much"},
        {"value_bytes": 1.5},
        {"consistency": None},
        {"node": "1"},
        {"fill": "no"},
        {"prefix": 3},
        {"name": 7},
        {"codec": 7},
    ],
    ids=str,
)
def test_a_setting_of_a_wrong_type_is_refused_with_its_name_and_value(
    options: dict[str, Any],
) -> None:
    *_, name = options
    with pytest.raises(TypeError, match=name) as caught:
        Mixed(**options)
    assert name == "codec" or repr(options[name]) in str(caught.value) or name == "nodes"


def test_a_loop_is_open_or_closed_and_takes_no_setting_that_it_would_ignore() -> None:
    with pytest.raises(ValueError, match=r"rate=100.*concurrency=4.*outstanding_max= bounds"):
        Mixed(rate=100, concurrency=4)
    with pytest.raises(ValueError, match=r"outstanding_max=9.*concurrency="):
        Mixed(outstanding_max=9)
    assert Mixed().concurrency == 16
    assert Mixed(rate=100).outstanding_max == 4096


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Operation("get", 5), "key is .*not 5"),  # type: ignore[arg-type]
        (lambda: Operation(5, "k"), "kind is .*not 5"),  # type: ignore[arg-type]
        (lambda: Operation("get", "k", node="1"), "node is .*not '1'"),  # type: ignore[arg-type]
        (lambda: Phonebook(people=0.5), "people is .*not 0.5"),  # type: ignore[arg-type]
        (lambda: Phonebook(seed="a"), "seed is .*not 'a'"),  # type: ignore[arg-type]
    ],
)
def test_an_operation_of_wrong_types_is_refused_where_it_is_made(make: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        make()


def test_a_workload_without_operations_says_what_it_lacks() -> None:
    with pytest.raises(NotImplementedError, match="must define next_operation"):
        Workload().next_operation(Random(1))
    with pytest.raises(ValueError, match="kind is one of"):
        Operation("scan", "k")
