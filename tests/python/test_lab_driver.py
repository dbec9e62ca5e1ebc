"""The driver, with a client that the test makes slow: nothing is left out, nothing is unbounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from random import Random
from typing import Any, cast

import pandas as pd
import pytest

from paxledger import NoQuorum, Timeout
from paxledger.aio import Client
from paxledger.lab import Mixed, Operation, Puts, Workload
from paxledger.lab.driver import Driver
from paxledger.lab.recording import Clock, OperationRecord
from paxledger.lab.tables import operations_table


class Imagined:
    """A client whose answers come after `delay(now)` seconds, or are an error."""

    def __init__(self, clock: Clock, delay: Callable[[float], float | Exception]) -> None:
        self._clock = clock
        self._delay = delay
        self.under_way = 0
        self.most_under_way = 0
        self.asked: list[tuple[str, str]] = []

    async def __aenter__(self) -> Imagined:
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.under_way == 0, "the driver waits for everything that it has begun"

    def _answer(self, kind: str, key: str) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.asked.append((kind, key))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        delay = self._delay(self._clock.now())

        def end() -> None:
            self.under_way -= 1
            if isinstance(delay, Exception):
                future.set_exception(delay)
            else:
                future.set_result(type("Entry", (), {"revision": 7}) if kind == "get" else 7)

        loop.call_later(0.0 if isinstance(delay, Exception) else delay, end)
        return future

    def put(self, key: str, value: Any) -> asyncio.Future[Any]:
        return self._answer("put", key)

    def entry(self, key: str, consistency: str, node: int | None) -> asyncio.Future[Any]:
        return self._answer("get", key)


def run(
    workload: Workload,
    delay: Callable[[float], float | Exception],
    duration: float = 0.5,
    limit: int = 100_000,
) -> tuple[pd.DataFrame, Imagined, Driver]:
    clock, record = Clock(), OperationRecord(limit)
    client = Imagined(clock, delay)
    driver = Driver(
        lambda: cast(Client, client),
        workload,
        Random(1),
        record,
        clock,
        duration,
        threading.Event(),
    )
    driver.start()
    assert driver.ready.wait(10)
    clock.start()
    driver.join(30)
    assert not driver.alive()
    return operations_table(record), client, driver


def test_an_open_loop_counts_from_when_an_operation_was_meant_to_begin() -> None:
    """A stall from 0.1 to 0.4 s: every operation of that time shows what was left of it."""

    def stalls(now: float) -> float:
        return max(0.0, 0.4 - now) if now > 0.1 else 0.0

    table, _, _ = run(Puts(rate=200, outstanding_max=2), stalls)
    assert len(table) == 100, "all are there, though only two could be under way"
    assert table["start"].tolist() == [number / 200 for number in range(100)]
    stalled = table[(table["start"] > 0.11) & (table["start"] < 0.38)]
    assert (stalled["latency"] >= 0.4 - stalled["start"] - 0.002).all()
    assert (stalled["begun"] > stalled["start"]).all()


def test_an_open_loop_begins_in_time() -> None:
    table, _, _ = run(Puts(rate=100), lambda now: 0.0)
    late = table["begun"] - table["start"]
    assert (late >= 0).all()
    assert late.median() < 0.005


def test_what_could_not_begin_before_the_end_is_not_left_out() -> None:
    table, client, _ = run(Puts(rate=100, outstanding_max=5), lambda now: 0.6)
    assert len(table) == 50
    assert (table["outcome"] == "not_begun").sum() == 50 - len(client.asked)
    assert client.most_under_way == 5


def test_a_closed_loop_keeps_as_many_under_way_as_asked_and_no_more() -> None:
    table, client, _ = run(Puts(concurrency=7), lambda now: 0.01)
    assert client.most_under_way == 7
    assert len(table) == len(client.asked) > 7
    assert set(table["outcome"]) == {"ok"} and set(table["revision"]) == {7}


def test_the_sequence_of_operations_does_not_depend_on_how_fast_the_answers_come() -> None:
    _, fast, _ = run(Mixed(concurrency=1, fill=False), lambda now: 0.0, 0.2)
    _, slow, _ = run(Mixed(concurrency=8, fill=False), lambda now: 0.02, 0.2)
    count = min(len(fast.asked), len(slow.asked))
    assert count > 20
    assert fast.asked[:count] == slow.asked[:count]


def test_errors_are_outcomes_and_do_not_become_the_load() -> None:
    table, _, driver = run(Puts(concurrency=2), lambda now: NoQuorum("no majority"))
    assert set(table["outcome"]) == {"no_quorum"}
    assert len(table) <= 2 * (0.5 / 0.01 + 2)
    assert driver.failure is None


def test_a_write_without_an_answer_is_unknown_and_a_read_is_not() -> None:
    silence = Timeout("nothing came", outcome_unknown=True)
    table, _, _ = run(Mixed(concurrency=2, fill=False), lambda now: silence)
    assert set(table[table["kind"] == "put"]["outcome"]) == {"unknown"}
    assert set(table[table["kind"] == "get"]["outcome"]) == {"timeout"}


def test_it_ends_when_the_record_is_full() -> None:
    table, client, _ = run(Puts(concurrency=4), lambda now: 0.0, duration=30, limit=500)
    assert len(table) == 500
    assert len(client.asked) < 1000


class Wrong(Workload):
    """Gives something that is no operation: the next one, or the first that is written."""

    def __init__(self, *, first: bool, **pace: Any) -> None:
        super().__init__(**pace)
        self.first = first

    def initial(self, random: Random) -> Any:
        return iter([5]) if self.first else iter(())

    def next_operation(self, random: Random) -> Any:
        return 5


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("pace", [{"concurrency": 3}, {"rate": 100.0}], ids=str)
def test_what_is_no_operation_is_refused_with_the_name_of_the_workload(
    pace: dict[str, Any], first: bool
) -> None:
    table, _, driver = run(Wrong(first=first, **pace), lambda now: 0.0, duration=30)
    assert isinstance(driver.failure, TypeError)
    where = "initial of Wrong" if first else "next_operation of Wrong"
    assert where in str(driver.failure) and "5; expected an Operation" in str(driver.failure)
    assert len(table) == 0


def test_an_abort_writes_down_at_once_what_is_under_way() -> None:
    clock, record = Clock(), OperationRecord()
    closing = threading.Event()

    class Slow(Imagined):
        """Its answers, and the end of its close, take longer than the test waits."""

        async def __aexit__(self, *_: object) -> None:
            await asyncio.get_running_loop().run_in_executor(None, closing.wait, 30)

    driver = Driver(
        lambda: cast(Client, Slow(clock, lambda now: 60.0)),
        Mixed(concurrency=8, fill=False),
        Random(1),
        record,
        clock,
        60.0,
        threading.Event(),
    )
    driver.start()
    assert driver.ready.wait(10)
    clock.start()
    driver.join(0.2)
    driver.abort()
    try:
        assert driver.settled.wait(5)
        table = operations_table(record)
        assert len(table) == 8
        assert set(table["outcome"]) == {"unknown", "interrupted"}
        assert set(table[table["kind"] == "put"]["outcome"]) == {"unknown"}
        assert driver.alive(), "the client takes its time, and nobody waits for it"
    finally:
        closing.set()
        driver.join(30)
    assert driver.failure is None


class Broken(Workload):
    def next_operation(self, random: Random) -> Operation:
        raise ZeroDivisionError("a mistake of the workload")


@pytest.mark.parametrize("pace", [{"concurrency": 3}, {"rate": 100.0}], ids=str)
def test_a_mistake_in_a_workload_ends_the_run(pace: dict[str, Any]) -> None:
    table, _, driver = run(Broken(**pace), lambda now: 0.0, duration=30)
    assert isinstance(driver.failure, ZeroDivisionError)
    assert len(table) == 0
