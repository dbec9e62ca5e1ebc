"""Codecs undo themselves, refuse what they cannot keep, and a client is like a dictionary."""

from __future__ import annotations

import math
from typing import Any

import hypothesis
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
        ("msgpack", {1, 2}, "set.*convert it"),
        ("msgpack", 2**64, "int"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_with_advice(
    codec: str, value: Any, advice: str
) -> None:
    with pytest.raises(TypeError, match=f"(?s){advice}") as caught:
        find_codec(codec).encode(value)
    assert f"'{codec}'" in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "value"),
    [("json", math.nan), ("json", [math.inf]), ("str", "\ud800"), ("json", "\ud800")],
)
def test_a_value_that_could_not_be_read_again_is_refused(codec: str, value: Any) -> None:
    with pytest.raises(ValueError):
        find_codec(codec).encode(value)


@pytest.mark.parametrize(
    ("codec", "octets"),
    [("str", b"\xff"), ("json", b"{"), ("json", b"\xff"), ("msgpack", b"\xc1"), ("msgpack", b"")],
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
