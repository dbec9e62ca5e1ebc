"""The asyncio client against a real cluster."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import paxledger
from paxledger import aio


@asynccontextmanager
async def client_of(db: paxledger.Client, **options: Any) -> AsyncIterator[aio.Client]:
    async with aio.connect(db.endpoints, **options) as adb:
        yield adb


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it in an event loop that complains about everything."""
    asyncio.run(body(), debug=True)


def test_all_methods_do_what_those_of_the_blocking_client_do(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db, codec="json", cluster="e2e") as adb:
            revision = await adb.put("a/1", {"x": 1})
            assert await adb.get("a/1") == {"x": 1}
            assert await adb.get("nothing", "default") == "default"
            assert (await adb.entry("a/1")).revision == revision
            with pytest.raises(paxledger.NotFound):
                await adb.entry("nothing")
            second = await adb.compare_and_put("a/1", 2, revision)
            with pytest.raises(paxledger.CompareFailed) as caught:
                await adb.compare_and_put("a/1", 3, revision)
            assert caught.value.revision == second
            assert await adb.contains("a/1")
            assert [entry.value for entry in await adb.scan("a/")] == [2]
            assert await adb.keys(b"a/") == [b"a/1"]
            assert await adb.items() == [("a/1", 2)]
            assert await adb.using("bytes").get("a/1") == b"2"
            assert await adb.delete("a/1") is True
            assert await adb.delete("a/1") is False
            assert (await adb.admin("status", node=2))["node"] == 3
            assert [block.height async for block in adb.chain(1, 3)] == [1, 2, 3]
            assert adb.endpoints == db.endpoints
            assert adb.counters()["requests_sent"] > 0
            assert "open" in repr(adb)
        assert adb.closed

    run(body)


def test_hundreds_of_calls_are_under_way_together(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db) as adb:
            revisions = await asyncio.gather(*(adb.put(f"k{n}", str(n)) for n in range(1000)))
            assert len(set(revisions)) == 1000
            values = await asyncio.gather(*(adb.get(f"k{n}") for n in range(1000)))
            assert values == [str(n).encode() for n in range(1000)]

    run(body)


def test_the_loop_goes_on_while_a_call_is_under_way(silent: str) -> None:
    async def body() -> None:
        async with aio.connect(silent, deadline=0.3) as adb:
            call = adb.get("k")
            turns = 0
            while not call.done():
                await asyncio.sleep(0.01)
                turns += 1
            assert turns >= 5
            assert isinstance(call.exception(), paxledger.Error)

    run(body)


def test_a_cancelled_wait_leaves_the_call_to_end_by_itself(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db) as adb:
            puts = [asyncio.ensure_future(adb.put(f"k{n}", "v")) for n in range(50)]
            for put in puts[::2]:
                put.cancel()
            ended = await asyncio.gather(*puts, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended[::2])
            assert all(isinstance(each, int) for each in ended[1::2])
            # The cancelled ones were begun, so they happen all the same.
            while len(await adb.keys("k")) < 50:
                await asyncio.sleep(0.01)

    run(body)


def test_wait_for_ends_in_time_and_the_client_still_works(silent: str) -> None:
    async def body() -> None:
        async with aio.connect(silent, deadline=1.0) as adb:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(adb.put("k", "v"), 0.05)
            with pytest.raises(paxledger.Error):
                await adb.get("k", deadline=0.05)

    run(body)


def test_two_loops_in_two_threads_share_a_client(db: paxledger.Client) -> None:
    adb = aio.connect(db.endpoints)
    failures: list[BaseException] = []
    both = threading.Barrier(2)

    async def work(name: str) -> None:
        both.wait()
        for n in range(20):
            await asyncio.gather(*(adb.put(f"{name}/{n}/{m}", name) for m in range(20)))
            assert await adb.get(f"{name}/{n}/0") == name.encode()

    def thread(name: str) -> None:
        try:
            asyncio.run(work(name), debug=True)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=thread, args=(name,)) for name in ("a", "b")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert len(db.keys()) == 800
    asyncio.run(adb.close())


def test_a_client_outlives_a_loop(db: paxledger.Client) -> None:
    adb = aio.connect(db.endpoints)

    async def put(key: str) -> None:
        await adb.put(key, "v")

    async def abandon() -> None:
        for n in range(20):
            adb.put(f"abandoned/{n}", "v")

    for n in range(3):
        asyncio.run(put(f"k{n}"))
        asyncio.run(abandon())
        gc.collect()
    assert db.keys("k") == ["k0", "k1", "k2"]
    assert len(adb._doors._doors) <= 2  # those of loops that have ended do not pile up
    asyncio.run(adb.close())


def test_close_ends_calls_that_are_under_way_and_leaves_the_loop(silent: str) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        adb = aio.connect(silent, deadline=30)
        calls: list[asyncio.Future[Any]] = [adb.put("k", "v"), adb.get("k"), adb.scan()]
        door = adb._doors.find()
        await adb.close()
        ended = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 2)
        assert all(isinstance(each, paxledger.ShuttingDown) for each in ended), ended
        assert not loop.remove_reader(door.queue.fileno())
        await adb.close()
        with pytest.raises(paxledger.ClosedError):
            await adb.put("k", "v")

    run(body)


def test_close_works_when_the_loop_has_shut_its_threads_down(db: paxledger.Client) -> None:
    async def body() -> None:
        adb = aio.connect(db.endpoints)
        await adb.put("k", "v")
        await asyncio.get_running_loop().shutdown_default_executor()
        await adb.close()
        assert adb.closed

    run(body)


def test_close_reaches_a_loop_of_another_thread(silent: str) -> None:
    adb = aio.connect(silent, deadline=30)
    begun = threading.Event()
    ended: list[BaseException | None] = []

    async def wait() -> None:
        call = adb.get("k")
        begun.set()
        await asyncio.wait([call])
        ended.append(call.exception())

    thread = threading.Thread(target=lambda: asyncio.run(wait()))
    thread.start()
    assert begun.wait(10)
    asyncio.run(adb.close())
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(ended[0], paxledger.ShuttingDown)


def test_too_many_calls_are_overloaded(silent: str) -> None:
    async def body() -> None:
        async with aio.connect(silent, deadline=0.5, outstanding_max=2) as adb:
            calls = [adb.put("k", "v") for _ in range(3)]
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(isinstance(each, paxledger.Overloaded) for each in ended) == 1

    run(body)


def test_a_codec_that_fails_spoils_its_own_call_only(db: paxledger.Client) -> None:
    class Stubborn:
        def encode(self, value: Any) -> bytes:
            return b"v"

        def decode(self, octets: bytes) -> Any:
            raise StopIteration  # which a future would not take

    async def body() -> None:
        async with client_of(db) as adb:
            await adb.put("k", "v")
            ended = await asyncio.gather(
                adb.get("k"), adb.get("k", codec=Stubborn()), adb.get("k"), return_exceptions=True
            )
            assert ended[0] == ended[2] == b"v"
            assert isinstance(ended[1], paxledger.CodecError)

    run(body)


def test_ctrl_c_while_calls_are_fulfilled_loses_none_of_them(db: paxledger.Client) -> None:
    class Interrupted:
        def encode(self, value: Any) -> bytes:
            return b"v"

        def decode(self, octets: bytes) -> Any:
            raise KeyboardInterrupt

    calls: list[asyncio.Future[Any]] = []

    async def begin_and_wait(adb: aio.Client) -> None:
        for number in range(200):
            calls.append(adb.get("k", codec=Interrupted() if number == 5 else None))
        await asyncio.wait(calls)

    loop = asyncio.new_event_loop()
    try:
        db["k"] = "v"
        adb = aio.connect(db.endpoints)
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(begin_and_wait(adb))
        assert isinstance(calls.pop(5).exception(), KeyboardInterrupt)
        values = loop.run_until_complete(asyncio.wait_for(asyncio.gather(*calls), 5))
        assert values == [b"v"] * 199
        loop.run_until_complete(adb.close())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


# ---- batches


def test_a_batch_takes_more_calls_than_may_be_under_way(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db, outstanding_max=8) as adb:
            async with adb.batch() as batch:
                puts = [batch.put(f"k{n:03}", "v") for n in range(300)]
            assert all(put.done() for put in puts)
            assert len({put.result() for put in puts}) == 300
            async with adb.batch() as batch:
                contains, keys = batch.contains("k000"), batch.keys("k")
            assert contains.result() and len(keys.result()) == 300
            async with adb.batch():
                pass

    run(body)


def test_a_batch_of_more_calls_than_its_window_waits_for_all(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db) as adb:
            async with adb.batch() as batch:
                for n in range(3000):
                    batch.put(f"k{n}", "v")
            assert len(await adb.keys("k")) == 3000

    run(body)


def test_a_batch_raises_its_first_error_after_all_have_ended(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db, outstanding_max=2) as adb:
            revision = await adb.put("k", "v")
            with pytest.raises(paxledger.CompareFailed, match="expected no such key"):
                async with adb.batch() as batch:
                    good = batch.put("a", "1")
                    batch.compare_and_put("k", "w", 0)
                    batch.compare_and_put("k", "w", revision + 1000)
                    other = batch.put("b", "1")
            assert good.result() and other.result()
            assert await adb.keys() == ["a", "b", "k"]

    run(body)


def test_an_exception_within_a_batch_goes_first(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db, outstanding_max=1) as adb:
            with pytest.raises(ZeroDivisionError):
                async with adb.batch() as batch:
                    batch.compare_and_put("k", "w", 1000)
                    puts = [batch.put(f"k{n}", "v") for n in range(10)]
                    raise ZeroDivisionError
            assert all(put.result() > 0 for put in puts)

    run(body)


def test_wrong_arguments_raise_within_the_batch_and_spoil_nothing(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db) as adb, adb.batch() as batch:
            put = batch.put("k", "v")
            wrong: Any = 5
            with pytest.raises(TypeError):
                batch.put(wrong, "v")
            with pytest.raises(paxledger.CodecError):
                batch.put("k", {1: 2}, codec="json")
            assert await put > 0

    run(body)


def test_a_call_of_a_batch_that_is_cancelled_before_its_turn_never_begins(
    db: paxledger.Client,
) -> None:
    async def body() -> None:
        async with client_of(db, outstanding_max=1) as adb:
            async with adb.batch() as batch:
                first, second, third = (batch.put(f"k{n}", "v") for n in range(3))
                first.cancel()
                second.cancel()
            assert third.result() > 0
            assert await adb.keys() == ["k0", "k2"], "the first one was under way"

    run(body)


def test_a_batch_that_is_cancelled_begins_nothing_more(silent: str) -> None:
    async def body() -> None:
        async with aio.connect(silent, deadline=30, outstanding_max=2) as adb:
            calls: list[asyncio.Future[int]] = []

            async def fill() -> None:
                async with adb.batch() as batch:
                    calls.extend(batch.put(f"k{n}", "v") for n in range(5))

            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(fill(), 0.05)
            assert [call.cancelled() for call in calls] == [False, False, True, True, True]
        ended = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 2)
        assert isinstance(ended[0], paxledger.ShuttingDown)

    run(body)


def test_a_cancelled_body_of_a_batch_is_not_held_up(silent: str) -> None:
    async def body() -> None:
        async with aio.connect(silent, deadline=30, outstanding_max=1) as adb:
            with pytest.raises(asyncio.CancelledError):
                async with adb.batch() as batch:
                    first, second = batch.put("k", "v"), batch.put("k", "v")
                    raise asyncio.CancelledError
            assert (first.done(), second.cancelled()) == (False, True)

    run(body)


def test_closing_the_client_ends_its_batches(silent: str) -> None:
    async def body() -> None:
        adb = aio.connect(silent, deadline=30, outstanding_max=2)
        with pytest.raises(paxledger.ShuttingDown):
            async with adb.batch() as batch:
                calls = [batch.put(f"k{n}", "v") for n in range(5)]
                await adb.close()
        kinds = [type(call.exception()) for call in calls]
        assert kinds == [paxledger.ShuttingDown] * 2 + [paxledger.ClosedError] * 3

    run(body)


def test_a_batch_that_has_ended_takes_no_calls(db: paxledger.Client) -> None:
    async def body() -> None:
        async with client_of(db) as adb:
            async with adb.batch() as batch:
                pass
            with pytest.raises(paxledger.ClosedError, match="the batch has ended"):
                batch.put("k", "v")
            with pytest.raises(paxledger.ClosedError, match="the batch has ended"):
                async with batch:
                    pass

    run(body)


def test_nobody_is_told_of_errors_that_the_batch_has_raised(
    db: paxledger.Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with client_of(db) as adb:
            with pytest.raises(paxledger.CompareFailed):
                async with adb.batch() as batch:
                    for _ in range(5):
                        batch.compare_and_put("k", "v", 1000)

    run(body)
    gc.collect()
    assert caplog.text == ""


# ---- wrong use


@pytest.mark.parametrize(
    ("call", "kind", "complaint"),
    [
        (lambda adb: adb.put(5, "v"), TypeError, "a key is str or bytes, not int"),
        (lambda adb: adb.put("k", {}), TypeError, "codec='json'"),
        (lambda adb: adb.get("k", node=9), paxledger.BadRequest, "no node 9"),
        (lambda adb: adb.chain(0), paxledger.BadRequest, "at least 1, not 0"),
        (lambda adb: adb.get("k", deadline=-1), paxledger.BadRequest, "not -1"),
    ],
)
def test_wrong_arguments_raise_where_the_call_is_made(
    silent: str, call: Callable[[aio.Client], Any], kind: type[Exception], complaint: str
) -> None:
    async def body() -> None:
        async with aio.connect(silent) as adb:
            with pytest.raises(kind) as caught:
                call(adb)
            assert complaint in str(caught.value)

    run(body)


def test_a_call_without_an_event_loop_says_so(silent: str) -> None:
    adb = aio.connect(silent)
    with pytest.raises(RuntimeError, match="no running event loop"):
        adb.put("k", "v")
    asyncio.run(adb.close())
