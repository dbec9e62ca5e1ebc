"""Codecs undo themselves, refuse what they cannot keep, and a client is like a dictionary."""

from __future__ import annotations

import collections
import datetime
import enum
import math
import sys
from typing import Any

import hypothesis
import msgpack
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import paxledger
from paxledger.codecs import find_codec, name_of

# JSON and MessagePack texts are UTF-8, which has no lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
MSGPACK = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.integers(0, 2**64 - 1) | st.binary(), inner, max_size=4)
    ),
    max_leaves=12,
)


def there_and_back(codec: str, value: Any) -> Any:
    octets = find_codec(codec).encode(value)
    assert type(octets) is bytes
    return find_codec(codec).decode(octets)


@hypothesis.given(st.binary())
def test_bytes_are_kept(value: bytes) -> None:
    assert there_and_back("bytes", value) == value
    assert there_and_back("bytes", bytearray(value)) == value
    assert there_and_back("bytes", memoryview(value)) == value


@hypothesis.given(TEXTS)
def test_text_is_kept(value: str) -> None:
    assert there_and_back("str", value) == value
    assert there_and_back("bytes", value) == value.encode()


@hypothesis.given(JSON)
def test_json_is_kept(value: Any) -> None:
    assert there_and_back("json", value) == value


@hypothesis.given(MSGPACK)
def test_msgpack_is_kept(value: Any) -> None:
    assert there_and_back("msgpack", value) == value


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_a_tuple_comes_back_as_a_list(codec: str) -> None:
    assert there_and_back(codec, (1, (2, 3))) == [1, [2, 3]]


def test_json_is_readable_in_the_chain() -> None:
    assert find_codec("json").encode({"größe": [1, 2]}) == '{"größe":[1,2]}'.encode()


@pytest.mark.parametrize(
    ("codec", "value", "advice"),
    [
        ("bytes", {"a": 1}, "not dict; use codec='json' or codec='msgpack'"),
        ("bytes", 5, "not int; use codec='json'"),
        ("bytes", None, "not NoneType; use codec='json'"),
        ("bytes", object(), "not object; convert it first"),
        ("str", b"octets", "not bytes; use codec='bytes'"),
        ("str", [1], "not list; use codec='json'"),
        ("json", b"octets", "bytes.*codec='msgpack' takes bytes"),
        ("json", {"a": {1, 2}}, "set"),
        ("json", {(1, 2): 3}, "keys must be str"),
        ("json", {1: 2, "1": 3}, "the key 1 is int; keys must be str"),
        ("json", {1: 2}, "the key 1 is int"),
        ("json", [{"a": {None: 1}}], r"at value\[0\]\['a'\], the key None is NoneType"),
        ("json", {"a": [1, {"b": b"x"}]}, r"at value\['a'\]\[1\]\['b'\], bytes is no type of it"),
        ("msgpack", {1, 2}, "set.*convert it"),
        ("msgpack", {(1, 2): 3}, r"the key \(1, 2\) is tuple.*store a list of pairs"),
        ("msgpack", [{"a": {memoryview(b"k"): 3}}], r"at value\[0\]\['a'\].*memoryview"),
        ("msgpack", {"at": datetime.datetime(2020, 1, 1)}, r"at value\['at'\], datetime"),
        ("msgpack", [msgpack.ExtType(5, b"x")], r"at value\[0\], ExtType is no type of it"),
        ("msgpack", msgpack.Timestamp(1), "Timestamp is no type of it"),
        ("msgpack", {"k" * 1000: {1, 2}}, "k…"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_with_advice(
    codec: str, value: Any, advice: str
) -> None:
    with pytest.raises(TypeError, match=f"(?s){advice}") as caught:
        find_codec(codec).encode(value)
    assert isinstance(caught.value, paxledger.UnsupportedType)
    assert isinstance(caught.value, paxledger.CodecError)
    assert f"'{codec}'" in str(caught.value)
    assert len(str(caught.value)) < 400


class Same(str):
    """Two of them are never the same key for Python, and always for whoever reads them."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def deep(depth: int, kind: str = "list") -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"k": value}
    return value


def released() -> memoryview:
    view = memoryview(b"octets")
    view.release()
    return view


ITSELF: list[Any] = [1]
ITSELF.append({"again": ITSELF})


@pytest.mark.parametrize(
    ("codec", "value", "complaint"),
    [
        ("json", math.nan, "no number nan"),
        ("json", [1.0, math.inf], r"at value\[1\], JSON has no number inf"),
        ("json", {"k": {"x": -math.inf}}, r"at value\['k'\]\['x'\]"),
        ("str", "\ud800", "lone surrogates"),
        ("bytes", "\ud800", "lone surrogates"),
        ("json", ["a", "\ud800"], r"at value\[1\], text with lone surrogates"),
        ("json", {"\ud800": 1}, "lone surrogates"),
        ("msgpack", {"a": "\ud800"}, r"at value\['a'\], text with lone surrogates"),
        ("msgpack", 2**64, "no int of 65 bits"),
        ("msgpack", [-(2**63) - 1], r"at value\[0\], MessagePack has no int of 64 bits"),
        ("msgpack", {2**64: 1}, "no int of 65 bits"),
        pytest.param("json", 10**5000, "4300", id="huge int"),
        ("json", deep(257), "nested more than 256 deep"),
        ("json", deep(257, "dict"), "nested more than 256 deep"),
        ("msgpack", deep(257), "nested more than 256 deep"),
        ("json", deep(100_000), "nested more than 256 deep"),
        ("msgpack", deep(100_000), "nested more than 256 deep"),
        ("json", ITSELF, "contains itself"),
        ("msgpack", ITSELF, "contains itself"),
        ("json", {Same("a"): 1, Same("a"): 2}, "would become the same"),
        ("msgpack", [{Same("a"): 1, Same("a"): 2}], r"at value\[0\], two of its keys"),
        ("bytes", released(), "released"),
        ("msgpack", released(), "memoryview"),
    ],
)
def test_a_value_that_could_not_be_read_again_is_refused(
    codec: str, value: Any, complaint: str
) -> None:
    if codec == "json" and isinstance(value, int) and not hasattr(sys, "set_int_max_str_digits"):
        pytest.skip("this Python writes integers of any length")
    with pytest.raises(paxledger.CodecError, match=complaint) as caught:
        find_codec(codec).encode(value)
    assert isinstance(caught.value, ValueError)
    assert not isinstance(caught.value, TypeError)
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("kind", ["list", "dict"])
def test_what_is_written_can_be_read_from_deep_within_a_program(codec: str, kind: str) -> None:
    value = deep(256, kind)
    octets = find_codec(codec).encode(value)

    def read(depth: int) -> Any:
        return read(depth - 1) if depth else find_codec(codec).decode(octets)

    assert read(400) == value


def test_subclasses_and_views_are_stored_as_what_they_are() -> None:
    class Text(str):
        def encode(self, *_: Any) -> bytes:
            return b"something else"

    class Octets(bytes):
        def __bytes__(self) -> bytes:
            return b"something else"

    class Color(str, enum.Enum):
        RED = "red"

    class Number(enum.IntEnum):
        ONE = 1

    assert there_and_back("str", Text("a")) == "a"
    assert there_and_back("bytes", Text("a")) == b"a"
    assert there_and_back("bytes", Octets(b"a")) == b"a"
    assert there_and_back("bytes", memoryview(b"abcdef")[::-2]) == b"fdb"
    for codec in ("json", "msgpack"):
        assert there_and_back(codec, {Color.RED: Number.ONE}) == {"red": 1}
        assert type(there_and_back(codec, [Number.ONE])[0]) is int
        assert there_and_back(codec, collections.OrderedDict(b=1, a=2)) == {"b": 1, "a": 2}
    keys = {1: "a", 2.5: "b", None: "c", b"k": "d", True and "t": "e", False: "f"}
    assert there_and_back("msgpack", keys) == keys


ODD_KEYS = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.binary(max_size=3),
    st.tuples(st.integers(0, 1)),
)
ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(max_size=3),
        st.sets(st.integers(), max_size=1),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_KEYS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("codec", ["bytes", "str", "json", "msgpack"])
@hypothesis.given(value=ODD)
def test_whatever_is_taken_comes_back_and_all_else_is_refused(codec: str, value: Any) -> None:
    try:
        back = there_and_back(codec, value)
    except paxledger.CodecError:
        return
    assert back == (value.encode() if codec == "bytes" and isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("codec", "octets"),
    [
        ("str", b"\xff"),
        ("json", b"{"),
        ("json", b"\xff"),
        ("json", b"[NaN]"),
        ("json", b"-Infinity"),
        ("msgpack", b"\xc1"),
        ("msgpack", b""),
        ("msgpack", b"\x81\x90\x01"),  # a list as a key
    ],
)
def test_octets_of_another_codec_are_an_error(codec: str, octets: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017 - which one is the library's business
        find_codec(codec).decode(octets)


def test_any_object_with_both_methods_is_a_codec() -> None:
    class Reversed:
        def encode(self, value: Any) -> bytes:
            return bytes(reversed(value))

        def decode(self, octets: bytes) -> Any:
            return bytes(reversed(octets))

    codec = find_codec(Reversed())
    assert codec.decode(codec.encode(b"abc")) == b"abc"
    assert name_of(codec).endswith("Reversed")
    for wrong in (Reversed, object(), 5):
        with pytest.raises(TypeError, match="encode\\(\\) and decode\\(\\)"):
            find_codec(wrong)  # type: ignore[arg-type]


# ---- a client next to a dictionary

KEYS = st.sampled_from(["a", "a/b", "a/c", "ä", "z"])


class LikeADictionary(RuleBasedStateMachine):
    """Does the same to a client and to a dictionary, and demands the same of both."""

    db: paxledger.Client  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Any] = {}
        with self.db.batch() as batch:
            for entry in self.db.scan():
                batch.delete(entry.key)

    @rule(key=KEYS, value=JSON)
    def put(self, key: str, value: Any) -> None:
        self.db[key] = value
        self.model[key] = value

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        assert self.db.get(key, "default") == self.model.get(key, "default")
        assert (key in self.db) == (key in self.model)

    @rule(key=KEYS)
    def index(self, key: str) -> None:
        if key in self.model:
            assert self.db[key] == self.model[key]
        else:
            with pytest.raises(KeyError):
                self.db[key]

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.db.delete(key) == (key in self.model)
        self.model.pop(key, None)

    @rule(key=KEYS, value=JSON, fresh=st.booleans())
    def compare_and_put(self, key: str, value: Any, fresh: bool) -> None:
        revision = self.db.entry(key).revision if key in self.model else 0
        if not fresh:
            with pytest.raises(paxledger.CompareFailed) as caught:
                self.db.compare_and_put(key, value, revision + 1)
            assert caught.value.revision == revision
            return
        self.db.compare_and_put(key, value, revision)
        self.model[key] = value

    @rule(values=st.dictionaries(KEYS, JSON))
    def batch(self, values: dict[str, Any]) -> None:
        with self.db.batch() as batch:
            for key, value in values.items():
                batch.put(key, value)
        self.model.update(values)

    @rule(prefix=st.sampled_from(["", "a", "a/", "x"]))
    def scan(self, prefix: str) -> None:
        wanted = {key: value for key, value in self.model.items() if key.startswith(prefix)}
        assert self.db.keys(prefix) == sorted(wanted, key=str.encode)
        assert {entry.key: entry.value for entry in self.db.scan(prefix)} == wanted

    @invariant()
    def has_the_same_items(self) -> None:
        assert dict(self.db.items()) == self.model


def test_a_client_is_like_a_dictionary(db: paxledger.Client) -> None:
    LikeADictionary.db = db.using("json")
    run_state_machine_as_test(
        LikeADictionary,
        settings=hypothesis.settings(max_examples=25, stateful_step_count=20, deadline=None),
    )
