"""What a client refuses, and that it says what, and what to do."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

import paxledger


@dataclasses.dataclass
class Bad:
    """A call with something wrong in it, and how it is refused."""

    call: Any
    kind: type[Exception]
    complaint: str


BAD = {
    "key of int": Bad(lambda db: db.put(5, "v"), TypeError, "a key is str or bytes, not int"),
    "key of None": Bad(lambda db: None in db, TypeError, "not NoneType"),
    "empty key": Bad(lambda db: db.put("", "v"), paxledger.BadRequest, "the key is empty"),
    "long key": Bad(lambda db: db.put("k" * 4097, "v"), paxledger.TooLarge, "4097 bytes"),
    "long key of a read": Bad(lambda db: db["k" * 4097], paxledger.TooLarge, "4097 bytes"),
    "long value": Bad(lambda db: db.put("k", b"v" * (1048576 + 1)), paxledger.TooLarge, "1048577"),
    "value of dict": Bad(lambda db: db.put("k", {}), TypeError, "codec='json'"),
    "value of None": Bad(lambda db: db.put("k", None), TypeError, "not NoneType"),
    "value of a set": Bad(lambda db: db.put("k", {1}, codec="json"), TypeError, "set"),
    "unknown codec": Bad(lambda db: db.using("yaml"), paxledger.BadRequest, "'bytes', 'str'"),
    "codec of int": Bad(lambda db: db.using(3), TypeError, "not int"),
    "unknown consistency": Bad(
        lambda db: db.get("k", consistency="strong"), paxledger.BadRequest, "'linearizable'"
    ),
    "consistency of int": Bad(lambda db: db.get("k", consistency=1), TypeError, "not int"),
    "ledger scan": Bad(lambda db: db.scan(consistency="ledger"), paxledger.BadRequest, "scan"),
    "unknown node": Bad(lambda db: db.get("k", node=3), paxledger.BadRequest, "knows 0, 1, 2"),
    "node of str": Bad(lambda db: db.get("k", node="1"), TypeError, "not str"),
    "node of bool": Bad(lambda db: db.get("k", node=True), TypeError, "not bool"),
    "negative deadline": Bad(lambda db: db.get("k", deadline=-1), paxledger.BadRequest, "not -1"),
    "deadline of nan": Bad(
        lambda db: db.get("k", deadline=float("nan")), paxledger.BadRequest, "not nan"
    ),
    "deadline of str": Bad(lambda db: db.put("k", "v", deadline="5s"), TypeError, "not str"),
    "negative revision": Bad(
        lambda db: db.compare_and_put("k", "v", -1), paxledger.BadRequest, "not -1"
    ),
    "revision of str": Bad(lambda db: db.compare_and_put("k", "v", "1"), TypeError, "not str"),
    "height zero": Bad(lambda db: db.chain(0), paxledger.BadRequest, "at least 1, not 0"),
    "height of str": Bad(lambda db: db.chain("1"), TypeError, "not str"),
    "height of bool": Bad(lambda db: db.chain(True), TypeError, "not bool"),
    "huge height": Bad(
        lambda db: db.chain(2**64), paxledger.BadRequest, "not 18446744073709551616"
    ),
    "huge revision": Bad(
        lambda db: db.compare_and_put("k", "v", 10**9999), paxledger.BadRequest, "bits"
    ),
    "infinite deadline": Bad(
        lambda db: db.get("k", deadline=float("inf")), paxledger.BadRequest, "not inf"
    ),
    "huge deadline": Bad(lambda db: db.get("k", deadline=10**400), paxledger.BadRequest, "bits"),
    "deadline of bool": Bad(lambda db: db.get("k", deadline=True), TypeError, "not bool"),
    "deadline of a timedelta": Bad(
        lambda db: db.get("k", deadline=datetime.timedelta(1)), TypeError, "not timedelta"
    ),
    "no time at all": Bad(lambda db: db.get("k", deadline=0), paxledger.Timeout, "get of 'k'"),
    "huge node": Bad(lambda db: db.get("k", node=10**9999), paxledger.BadRequest, "bits"),
    "lone surrogate in a key": Bad(
        lambda db: db.get("\ud800"), paxledger.BadRequest, "the key '\\ud800' is no UTF-8"
    ),
    "lone surrogate in a prefix": Bad(
        lambda db: db.keys("\ud800"), paxledger.BadRequest, "is no UTF-8"
    ),
    "released view as a key": Bad(lambda db: db.get(RELEASED), paxledger.Error, "released"),
    "huge key": Bad(lambda db: db.get("k" * 10**7), paxledger.TooLarge, "kkk'… (10000000 long)"),
    "order of surrogates": Bad(
        lambda db: db.admin("\ud800", node=0), paxledger.BadRequest, "no order"
    ),
    "argument that is no JSON": Bad(
        lambda db: db.admin("fault", {1, 2}, node=0), paxledger.UnsupportedType, "set"
    ),
    "codec that fails": Bad(
        lambda db: db.put("k", "v", codec=Failing()), paxledger.CodecError, "the value for 'k'"
    ),
    "unknown order": Bad(lambda db: db.admin("dance", node=0), paxledger.BadRequest, "dance"),
    "order of int": Bad(lambda db: db.admin(1, node=0), TypeError, "not int"),
    "timeout of str": Bad(
        lambda db: db.pipelined.put("k", "v").result(timeout="1"), TypeError, "not str"
    ),
    "codec that gives no bytes": Bad(
        lambda db: db.put("k", "v", codec=NoBytes()), TypeError, "'no-bytes' gave str, not bytes"
    ),
}


RELEASED = memoryview(b"k")
RELEASED.release()


class Failing:
    """A codec that knows nothing of our exceptions."""

    def encode(self, value: Any) -> bytes:
        raise LookupError("no such thing")

    def decode(self, octets: bytes) -> Any:
        raise RecursionError("too deep")


class NoBytes:
    """A codec with a mistake."""

    name = "no-bytes"

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, octets: bytes) -> Any:
        return octets


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_said(db: paxledger.Client, name: str) -> None:
    bad = BAD[name]
    with pytest.raises(bad.kind) as caught:
        bad.call(db)
    assert bad.complaint in str(caught.value)
    assert len(str(caught.value)) < 400
    db.put("k", "the client still works")


ENDPOINTS = {
    "": "does not begin with tcp://",
    " ": "does not begin with tcp://",
    "127.0.0.1:7101": "does not begin with tcp://",
    "ipc:///tmp/socket": "does not begin with tcp://",
    "tcp://127.0.0.1": "names no port",
    "tcp://127.0.0.1:": "from 1 to 65535",
    "tcp://127.0.0.1:0": "from 1 to 65535",
    "tcp://127.0.0.1:99999": "from 1 to 65535",
    "tcp://127.0.0.1:+80": "from 1 to 65535",
    "tcp://127.0.0.1:x": "from 1 to 65535",
    "tcp://:7101": "names no host",
    "tcp://[]:7101": "neither a name nor an address",
    "tcp://*:7101": "neither a name nor an address",
    "tcp://a b:7101": "neither a name nor an address",
    "tcp://a\0b:7101": "neither a name nor an address",
    "tcp://10.0.0.1:80;10.0.0.2:80": "neither a name nor an address",
    "tcp://schön:7101": "expected one like tcp://127.0.0.1:7101",
    "tcp://\ud800:7101": "expected one like tcp://127.0.0.1:7101",
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_is_no_endpoint_is_refused_and_said(endpoint: str) -> None:
    for given in (endpoint, [endpoint]):
        with pytest.raises(paxledger.BadRequest) as caught:
            paxledger.connect(given)
        assert ENDPOINTS[endpoint] in str(caught.value)
        with pytest.raises(paxledger.BadRequest):
            paxledger.aio.connect(given)


@pytest.mark.parametrize(
    ("options", "kind", "complaint"),
    [
        ({"endpoints": "127.0.0.1:7101"}, paxledger.BadRequest, "tcp://127.0.0.1:7101"),
        ({"endpoints": []}, paxledger.BadRequest, "at least one endpoint"),
        ({"endpoints": [1]}, TypeError, "an endpoint is a str, not int"),
        ({"endpoints": 1}, TypeError, "not int"),
        ({"deadline": 0}, paxledger.BadRequest, "positive"),
        ({"deadline": float("nan")}, paxledger.BadRequest, "not nan"),
        ({"deadline": float("inf")}, paxledger.BadRequest, "not inf"),
        ({"deadline": -1}, paxledger.BadRequest, "not -1"),
        ({"deadline": True}, TypeError, "not bool"),
        ({"attempt_timeout": 0}, paxledger.BadRequest, "positive"),
        ({"endpoints": b"tcp://127.0.0.1:7101"}, TypeError, "not bytes"),
        (
            {"endpoints": "tcp://127.0.0.1:7101,"},
            paxledger.BadRequest,
            "does not begin with tcp://",
        ),
        ({"endpoints": iter(())}, paxledger.BadRequest, "at least one endpoint"),
        ({"endpoints": ["tcp://h:1"] * 65}, paxledger.BadRequest, "at most 64"),
        ({"outstanding_max": 2**31}, paxledger.BadRequest, "at most"),
        ({"connections": 257}, paxledger.BadRequest, "1 to 256"),
        ({"deadline": "5s"}, TypeError, "deadline is a number of seconds, not str"),
        ({"session_ttl": 0.1}, paxledger.BadRequest, "1 s to 24 h"),
        ({"outstanding_max": 0}, paxledger.BadRequest, "outstanding_max is at least 1"),
        ({"connections": 1.5}, TypeError, "connections is a whole number, not float"),
        ({"cluster": ""}, paxledger.BadRequest, "no cluster is named ''"),
        ({"cluster": "\ud800"}, paxledger.BadRequest, "no cluster is named"),
        ({"cluster": 5}, TypeError, "cluster is a name, not int"),
        ({"codec": "xml"}, paxledger.BadRequest, "no codec 'xml'"),
    ],
)
def test_bad_options_are_refused_and_said(
    options: dict[str, Any], kind: type[Exception], complaint: str
) -> None:
    with pytest.raises(kind) as caught:
        paxledger.connect(**{"endpoints": "tcp://127.0.0.1:7101", **options})
    assert complaint in str(caught.value)


def test_a_value_that_the_codec_cannot_read_says_which_one(db: paxledger.Client) -> None:
    db.put("k", b"\xff{not json")
    with pytest.raises(paxledger.CodecError, match="'k' is no json.*codec='bytes'") as caught:
        db.get("k", codec="json")
    assert caught.value.__cause__ is not None
    with pytest.raises(paxledger.CodecError):
        db.using("json").items()


def test_use_after_close_says_so(db: paxledger.Client) -> None:
    db.put("k", "v")
    future = db.pipelined.put("k", "w")
    db.close()
    db.close()
    assert db.closed
    assert "closed" in repr(db)
    for use in (
        lambda: db.put("k", "v"),
        lambda: db["k"],
        lambda: db.pipelined.put("k", "v"),
        lambda: list(db.chain()),
        db.counters,
        db.__enter__,
    ):
        with pytest.raises(paxledger.ClosedError, match="closed"):
            use()
    try:
        future.result()
    except (paxledger.ShuttingDown, paxledger.Timeout) as ended:
        assert ended.outcome_unknown == isinstance(ended, paxledger.Timeout)
