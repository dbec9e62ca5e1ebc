"""The blocking client against a real cluster."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

import paxledger
from cluster import Cluster
from cluster_fixtures import MakeCluster
from paxledger import _calls, audit

# ---- writes and reads


def test_a_value_that_was_put_is_read(db: paxledger.Client) -> None:
    revision = db.put("5714580_netid", {"phone_number": "(730) 131-7993"}, codec="json")
    assert db.get("5714580_netid", codec="json") == {"phone_number": "(730) 131-7993"}
    assert db.entry("5714580_netid").revision == revision


def test_revisions_count_changes(db: paxledger.Client) -> None:
    first, second = db.put("a", "1"), db.put("b", "1")
    assert second == first + 1


def test_keys_of_str_and_bytes_are_the_same_keys(db: paxledger.Client) -> None:
    db.put("schlüssel", "1")
    assert db.get("schlüssel".encode()) == b"1"
    mutable: Any = bytearray("schlüssel".encode())
    assert db.get(mutable) == b"1"


def test_a_missing_key_gives_the_default(db: paxledger.Client) -> None:
    default = object()
    assert db.get("nothing") is None
    assert db.get("nothing", default) is default


def test_the_entry_of_a_missing_key_is_an_error_that_names_it(db: paxledger.Client) -> None:
    with pytest.raises(paxledger.NotFound, match="'nothing' is not there") as caught:
        db.entry("nothing")
    assert isinstance(caught.value, KeyError)
    assert not caught.value.outcome_unknown


def test_delete_says_whether_the_key_was_there(db: paxledger.Client) -> None:
    db.put("k", "v")
    assert db.delete("k") is True
    assert db.delete("k") is False


def test_a_compare_that_fails_says_the_revision_that_is_there(db: paxledger.Client) -> None:
    first = db.compare_and_put("k", "1", 0)
    second = db.compare_and_put("k", "2", first)
    with pytest.raises(paxledger.CompareFailed, match=f"revision {second}") as caught:
        db.compare_and_put("k", "3", first)
    assert caught.value.revision == second
    assert caught.value.leader in (1, 2, 3), "a failure names the leader"
    with pytest.raises(paxledger.CompareFailed) as caught:
        db.compare_and_put("new", "3", first)
    assert caught.value.revision == 0
    assert db["k"] == b"2"


@pytest.mark.parametrize("consistency", ["linearizable", "local", "ledger"])
def test_every_consistency_reads(db: paxledger.Client, consistency: str) -> None:
    db.put("k", "v")
    node = None
    if consistency == "local":
        # Only the node that has applied the write must know it.
        status = [db.admin("status", node=each) for each in range(len(db.endpoints))]
        node = next(at for at, each in enumerate(status) if each["role"] == "leader")
    assert db.get("k", consistency=consistency, node=node) == b"v"
    assert db.contains("k", consistency=consistency, node=node)


def test_a_ledger_read_leaves_a_block_and_others_do_not(db: paxledger.Client) -> None:
    db.put("k", "v")
    before = db.entry("k").height
    db.get("k")
    assert db.entry("k").height == before
    db.get("k", consistency="ledger")
    assert db.entry("k").height > before


def test_a_node_can_be_asked(db: paxledger.Client) -> None:
    assert [db.admin("status", node=at)["node"] for at in (0, 1, 2)] == [1, 2, 3]


# ---- many keys


def test_a_scan_gives_all_keys_of_a_prefix_in_order(db: paxledger.Client) -> None:
    with db.batch() as batch:
        for number in range(2500):
            batch.put(f"n/{number:05}", str(number))
        batch.put("m", "before")
        batch.put("o", "after")
    entries = db.using("json").scan("n/")
    assert [entry.key for entry in entries] == [f"n/{number:05}" for number in range(2500)]
    assert [entry.value for entry in entries] == list(range(2500))
    assert db.keys("n/") == [entry.key for entry in entries]
    assert db.items("n/", codec="json") == [(entry.key, entry.value) for entry in entries]
    assert len(db.keys()) == 2502


def test_listed_keys_have_the_type_of_the_prefix_and_survive_a_round_trip(
    db: paxledger.Client,
) -> None:
    wild = b"wild/\xff\x00\xfe"
    db.put(wild, "1")
    assert db.keys(b"wild/") == [wild]
    (text,) = db.keys("wild/")
    assert isinstance(text, str)
    assert db[text] == b"1"


def test_listing_keys_decodes_no_values(db: paxledger.Client) -> None:
    db.put("k", b"\xff\xff")
    assert db.using("json").keys() == ["k"]


# ---- like a dictionary


def test_it_looks_like_a_dictionary_where_that_is_natural(db: paxledger.Client) -> None:
    db["k"] = "v"
    assert db["k"] == b"v"
    assert "k" in db
    del db["k"]
    assert "k" not in db
    with pytest.raises(KeyError):
        db["k"]
    with pytest.raises(KeyError):
        del db["k"]


def test_it_has_no_length_and_is_not_iterable(db: paxledger.Client) -> None:
    unsized: Any = db
    with pytest.raises(TypeError, match="has no len"):
        len(unsized)
    with pytest.raises(TypeError, match="not iterable"):
        iter(unsized)


# ---- the chain


def test_the_chain_is_walked_and_verified(db: paxledger.Client, serving: Cluster) -> None:
    for number in range(5):
        db.put("k", str(number))
    blocks = list(db.chain())
    assert [block.height for block in blocks] == list(range(1, len(blocks) + 1))
    assert blocks[0].previous == audit.genesis(audit.cluster_id(serving.name))
    for before, block in zip(blocks, blocks[1:], strict=False):
        assert block.previous == before.hash


def test_a_part_of_the_chain_can_be_asked_for(db: paxledger.Client) -> None:
    for number in range(5):
        db.put("k", str(number))
    assert [block.height for block in db.chain(2, 4)] == [2, 3, 4]
    assert [block.height for block in db.chain(3, 3, node=1)] == [3]
    assert list(db.chain(4, 2)) == []
    head = db.entry("k").height
    assert [block.height for block in db.chain(head, head + 1000)] == [head]
    assert list(db.chain(head + 5)) == []


def test_a_walk_ends_where_the_chain_did_when_it_began(db: paxledger.Client) -> None:
    db.put("k", "v")
    heights = []
    for block in db.chain(max(1, db.entry("k").height - 10)):
        db.put("k", "another block")
        heights.append(block.height)
        assert len(heights) < 100
    assert db.entry("k").height > heights[-1]


def _page(blocks: list[bytes], first: int = 1) -> _calls.ChainPage:
    return _calls.ChainPage(first, first + len(blocks) - 1, blocks)


def _octets_of_chain(db: paxledger.Client) -> list[bytes]:
    call = db._calls.chain_page(1, None, None)
    page = call.finish(call.start(*call.arguments).result(), call.about)
    assert len(page.blocks) >= 3
    return page.blocks


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda all: [all[0], all[2]], "block 2: height 3, expected 2"),
        (lambda all: [all[0], bytes(len(all[1])), all[2]], "block 2: block format version 0"),
        (lambda all: [all[0], all[1][:-1] + b"!", all[2]], "block 2: ops root"),
        (lambda all: [all[0], all[1][:32] + all[0][32:64] + all[1][64:]], "block 2: links to"),
        (lambda all: [all[1]], "block 1: height 2, expected 1"),
        (lambda all: [b""], "block 1: a block of 0 octets"),
    ],
)
def test_a_damaged_chain_is_refused(db: paxledger.Client, damage: Any, complaint: str) -> None:
    for number in range(3):
        db.put("k", str(number))
    walk = _calls.ChainWalk(db._calls, 1, None, None, None)
    with pytest.raises(paxledger.Damaged, match=complaint):
        walk.take(_page(damage(_octets_of_chain(db))))


def test_a_wrong_block_is_refused_also_where_a_walk_begins(db: paxledger.Client) -> None:
    db.put("k", "v")
    walk = _calls.ChainWalk(db._calls, 2, None, None, None)
    with pytest.raises(paxledger.Damaged, match="block 2: height 1, expected 2"):
        walk.take(_page(_octets_of_chain(db)[:1], first=2))


def test_the_chain_of_another_cluster_is_refused(db: paxledger.Client) -> None:
    db.put("k", "v")
    first = _octets_of_chain(db)[:1]
    with (
        paxledger.connect(db.endpoints, cluster="another") as stranger,
        pytest.raises(paxledger.Damaged, match="block 1: links to"),
    ):
        _calls.ChainWalk(stranger._calls, 1, None, None, None).take(_page(first))


# ---- futures and batches


def test_futures_are_under_way_together(db: paxledger.Client) -> None:
    futures = [db.pipelined.put(f"k{number}", str(number)) for number in range(500)]
    done, pending = paxledger.wait(futures)
    assert (done, pending) == (futures, [])
    assert len({future.result() for future in futures}) == 500
    assert futures[0].result() == futures[0].result()
    assert futures[0].exception() is None


def test_a_future_gives_the_error_of_its_call(db: paxledger.Client) -> None:
    future = db.pipelined.entry("nothing")
    assert isinstance(future.exception(), paxledger.NotFound)
    with pytest.raises(paxledger.NotFound):
        future.result()
    assert "NotFound" in repr(future)


def test_a_future_that_is_not_done_times_out_and_goes_on(silent: str) -> None:
    with paxledger.connect(silent, deadline=1.0) as lonely:
        future = lonely.pipelined.put("k", "v")
        assert "under way" in repr(future)
        with pytest.raises(paxledger.Timeout, match="still under way") as caught:
            future.result(timeout=0.05)
        assert caught.value.outcome_unknown
        assert not future.done()
        assert paxledger.wait([future], timeout=0) == ([], [future])
        with pytest.raises(paxledger.Timeout) as caught:
            lonely.pipelined.get("k").result(timeout=0.05)
        assert not caught.value.outcome_unknown
        assert future.exception() is not None
        assert future.done()


def test_a_future_is_waited_for_by_several_threads(db: paxledger.Client) -> None:
    future = db.pipelined.put("k", [1], codec="json")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(future.result())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [future.result()] * 8


def test_a_batch_takes_more_calls_than_may_be_under_way(db: paxledger.Client) -> None:
    with (
        paxledger.connect(db.endpoints, outstanding_max=8) as narrow,
        narrow.batch() as batch,
    ):
        futures = [batch.put(f"k{number:03}", "v") for number in range(300)]
    assert all(future.done() for future in futures)
    assert len(db.keys("k")) == 300


def test_a_batch_raises_its_first_error_after_all_have_ended(db: paxledger.Client) -> None:
    revision = db.put("k", "v")
    with pytest.raises(paxledger.CompareFailed, match="expected no such key"), db.batch() as batch:
        good = batch.put("a", "1")
        batch.compare_and_put("k", "w", 0)
        batch.compare_and_put("k", "w", revision + 1000)
        other = batch.put("b", "1")
    assert good.done() and other.done()
    assert db.keys() == ["a", "b", "k"]


def test_an_exception_within_a_batch_goes_first(db: paxledger.Client) -> None:
    with pytest.raises(ZeroDivisionError), db.batch() as batch:
        batch.compare_and_put("k", "w", 1000)
        put = batch.put("a", "1")
        raise ZeroDivisionError
    assert put.done()


def test_a_batch_that_has_ended_takes_no_calls(db: paxledger.Client) -> None:
    with db.batch() as batch:
        there = batch.contains("k")
    assert there.result() is False
    with pytest.raises(paxledger.ClosedError, match="the batch has ended"):
        batch.put("k", "v")
    with pytest.raises(paxledger.ClosedError, match="the batch has ended"), batch:
        pass
    assert db.keys() == []


def test_wait_takes_futures_only() -> None:
    wrong: Any = [1]
    with pytest.raises(TypeError, match="futures of db.pipelined, not int"):
        paxledger.wait(wrong)


# ---- threads and views


def test_threads_share_a_client(db: paxledger.Client) -> None:
    failures: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(50):
                key = f"t{name}/{number}"
                db[key] = key
                assert db[key] == key.encode()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(db.keys("t")) == 400


def test_a_view_has_its_own_codec_and_the_same_connection(db: paxledger.Client) -> None:
    view = db.using("json")
    view["k"] = [1, 2]
    assert (view["k"], db["k"]) == ([1, 2], b"[1,2]")
    assert view.counters() == db.counters()
    view.close()
    assert db.closed


def test_what_cannot_leave_the_process_says_so(db: paxledger.Client, silent: str) -> None:
    adb = paxledger.aio.connect(silent)
    future = db.pipelined.put("k", "v")
    assert future.result() > 0
    for each in (db, db.pipelined, db.batch(), adb):
        with pytest.raises(TypeError, match=r"cannot be pickled.*paxledger.connect\(\["):
            pickle.dumps(each)
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.deepcopy(each)
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"pass its result\(\)"):
            copying(future)
    assert copy.copy(db)["k"] == b"v", "a copy is another view of the same connection"


@pytest.mark.parametrize(
    "fails",
    [
        lambda db: db.entry("nothing"),
        lambda db: db.compare_and_put("k", "v", 1000),
        lambda db: db.put("k", "v", deadline=0),
        lambda db: db.put("k", {1}),
    ],
)
def test_exceptions_can_be_pickled(db: paxledger.Client, fails: Any) -> None:
    with pytest.raises(paxledger.Error) as caught:
        fails(db)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert type(copied) is type(caught.value)
    assert (str(copied), vars(copied)) == (str(caught.value), vars(caught.value))


# ---- deadlines and errors


def test_a_cluster_that_is_not_there_is_no_quorum_and_certain(silent: str) -> None:
    with paxledger.connect(silent, deadline=0.3) as lonely:
        for failing in (
            lambda: lonely.put("k", "v"),
            lambda: lonely.get("k"),
            lambda: lonely.scan(),
            lambda: lonely.get("k", node=0),
        ):
            with pytest.raises(paxledger.Error, match="tcp://|no node|node") as caught:
                failing()
            assert not caught.value.outcome_unknown


def test_a_write_that_was_sent_and_not_answered_is_unknown_and_a_read_is_not(
    make_cluster: MakeCluster,
) -> None:
    cluster = make_cluster(1).start()
    with paxledger.connect(cluster.endpoints, deadline=5) as db:
        db.put("k", "v")
        cluster.node(1).pause()
        try:
            with pytest.raises(paxledger.Timeout, match="put of 'k'") as caught:
                db.put("k", "w", deadline=0.3)
            assert caught.value.outcome_unknown
            assert isinstance(caught.value, TimeoutError)
            with pytest.raises(paxledger.Timeout, match="get of 'k'") as caught:
                db.get("k", deadline=0.3)
            assert not caught.value.outcome_unknown
            with paxledger.connect(cluster.endpoints, deadline=0.3) as fresh:
                with pytest.raises(paxledger.Timeout, match="a session was opened") as caught:
                    fresh.put("k", "x")
                assert not caught.value.outcome_unknown, "it was never sent"
        finally:
            cluster.node(1).resume()
        assert db["k"] in (b"v", b"w")


def test_one_call_too_many_is_overloaded(silent: str) -> None:
    with paxledger.connect(silent, deadline=5, outstanding_max=2) as narrow:
        under_way = [narrow.pipelined.put("k", "v") for _ in range(2)]
        with pytest.raises(paxledger.Overloaded):
            narrow.put("k", "v")
    assert all(isinstance(each.exception(), paxledger.Error) for each in under_way)


def test_the_wrong_cluster_refuses(db: paxledger.Client) -> None:
    with (
        paxledger.connect(db.endpoints, cluster="another", deadline=1) as stranger,
        pytest.raises(paxledger.Error),
    ):
        stranger.put("k", "v")


def test_nodes_can_have_names_of_their_own(db: paxledger.Client) -> None:
    from paxledger.client import connect_nodes

    with connect_nodes({30: db.endpoints[2], 10: db.endpoints[0]}) as named:
        assert named.admin("status", node=30)["node"] == 3
        with pytest.raises(paxledger.BadRequest, match="no node 2; this client knows 30, 10"):
            named.get("k", node=2)
