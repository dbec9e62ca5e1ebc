"""Schedules say what is meant, are checked when they are written, and survive being saved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paxledger import lab
from paxledger.lab import Schedule, Step, at, every
from paxledger.lab.moments import Moment


def untyped(value: object) -> Any:
    """A value of a type that the checker of types would not let pass."""
    return value


EVERY_ACTION: list[Schedule] = [
    at(1).kill("leader"),
    at(1).kill(2, lasting=0.5),
    at(1).fail_node("follower"),
    at(1).fix_node("random"),
    at(1).pause("leader", lasting=1),
    at(1).resume(3),
    at(1).stop(1),
    at(1).start(1, rejoin=True),
    at(1).restart("random"),
    at(1).wipe(1),
    at(1).fail_link("leader", "follower", one_way=True),
    at(1).fix_link(1, 2),
    at(1).partition([1, "leader"], "rest"),
    at(1).partition([1], [2], one_way=True, lasting=2),
    at(1).isolate("leader", one_way="in"),
    at(1).drop(1, 2, 0.25),
    at(1).duplicate(1, 2, 0.25, one_way=True),
    at(1).reorder(1, 2, 0.25),
    at(1).delay(1, 2, 0.05, jitter=0.01),
    every(0.5, until=4, start=1).heal(),
]


@pytest.mark.parametrize("schedule", EVERY_ACTION, ids=repr)
def test_its_text_is_the_python_that_makes_it(schedule: Schedule) -> None:
    assert eval(repr(schedule), vars(lab)) == schedule


@pytest.mark.parametrize("schedule", EVERY_ACTION, ids=repr)
def test_it_survives_json(schedule: Schedule) -> None:
    assert Schedule.from_list(json.loads(json.dumps(schedule.to_list()))) == schedule


def test_every_word_of_the_vocabulary_is_tried_above() -> None:
    words = {name for name in vars(Moment) if not name.startswith("_")} - {"call"}
    assert {step.action for schedule in EVERY_ACTION for step in schedule} == words


def test_schedules_are_joined_by_plus_and_as_lists() -> None:
    one, two, three = at(1).heal(), at(2).heal(), at(3).heal()
    assert one + two + three == Schedule([one, two, three]) == one + [two, three]
    assert [one, two] + three == Schedule.of([one, two, three])
    assert len(Schedule.of(None)) == 0
    with pytest.raises(TypeError, match=r"made of at\(…\) and every\(…\)"):
        Schedule(["kill"])  # type: ignore[list-item]


def test_actions_are_planned_in_the_order_of_time() -> None:
    schedule = every(1.0, until=2.5).kill("leader") + at(1.5).heal()
    planned = [(time, step.action) for time, step in schedule.planned(duration=10)]
    assert planned == [(1.0, "kill"), (1.5, "heal"), (2.0, "kill")]


def test_repetition_counts_without_rounding_errors_and_ends_with_the_experiment() -> None:
    (step,) = every(0.1, until=0.3).heal()
    assert step.times(duration=10) == [0.1, 0.2, 0.3]
    (step,) = every(1.0).heal()
    assert step.times(duration=3.0) == [1.0, 2.0], "nothing happens at the very end"
    (step,) = every(1.0, start=0.0).heal()
    assert step.times(duration=2.5) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: at(-1), ValueError, "at least 0"),
        (lambda: at(float("nan")), ValueError, "nan"),
        (lambda: at(untyped("2")), TypeError, "number of seconds"),
        (lambda: every(0), ValueError, "at least 0.001"),
        (lambda: at(1).kill("the leader"), ValueError, '"leader", "follower", "random"'),
        (lambda: at(1).kill(untyped(1.5)), TypeError, "whole number"),
        (lambda: at(1).kill(True), TypeError, "whole number"),
        (lambda: at(1).kill(1, lasting=0), ValueError, "lasting"),
        (lambda: at(1).fail_link(2, 2), ValueError, "two nodes"),
        (lambda: at(1).partition([1, 2]), ValueError, "two groups"),
        (lambda: at(1).partition([1], []), ValueError, "empty"),
        (lambda: at(1).partition("rest", "rest"), ValueError, "only one"),
        (lambda: at(1).partition([1, "rest"], [2]), ValueError, "whole group"),
        (lambda: at(1).isolate(1, one_way="both"), ValueError, '"in", "out" or None'),
        (lambda: at(1).drop(1, 2, 1.5), ValueError, "probability"),
        (lambda: at(1).call(untyped("heal")), TypeError, "function"),
        (lambda: at(1).kill("leader!"), ValueError, "not 'leader!'"),
        (lambda: at(1).kill(0), ValueError, "from 1 on, not 0"),
        (lambda: at(1).kill(-3), ValueError, "from 1 on, not -3"),
        (lambda: at(1).kill(untyped(None)), TypeError, "not None"),
        (lambda: at(1).partition([1], untyped(2.5)), TypeError, "list of nodes.*not 2.5"),
        (lambda: at(1).drop(1, 2, untyped("x")), TypeError, "probability is .*not 'x'"),
        (lambda: at(1).drop(1, 2, float("nan")), ValueError, "probability is .*not nan"),
        (lambda: at(1).delay(1, 2, float("nan")), ValueError, "a delay is .*not nan"),
        (lambda: at(1).fail_link(1, 2, one_way=untyped("in")), TypeError, "one_way is .*not 'in'"),
        (lambda: at(1).start(1, rejoin=untyped(1)), TypeError, "rejoin is True or False, not 1"),
        (lambda: every(1, until=float("inf")), ValueError, "until is .*not inf"),
        (lambda: every(1, start=-1), ValueError, "start is .*not -1"),
        (lambda: Step(first=float("nan"), action="heal"), ValueError, "first is .*not nan"),
        (lambda: Schedule(untyped(5)), TypeError, "not of 5"),
        (lambda: Schedule(untyped("kill")), TypeError, "not of 'kill'"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(
    make: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (at(1).kill(4), "node 4; the cluster has 1, 2, 3"),
        (at(1).partition([1], [2, 7]), "node 7"),
        (at(5).heal(), "never happens|too late"),
        (every(2, until=1).heal(), "never happens"),
    ],
)
def test_what_cannot_be_played_is_refused_before_it_begins(schedule: Schedule, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        schedule.check([1, 2, 3], duration=5)
