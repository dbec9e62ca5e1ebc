"""Builds calls of the C++ client and turns their outcomes into values or exceptions.

The blocking client, futures and asyncio differ only in how they start a `Call` and wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from paxledger import _core
from paxledger._connection import Connection, seconds, whole
from paxledger.audit import Damage, Head, decode_block
from paxledger.chain import Block
from paxledger.codecs import Codec, find_codec, name_of, octets_of
from paxledger.entry import Entry
from paxledger.errors import (
    BadRequest,
    CodecError,
    CompareFailed,
    Damaged,
    Error,
    NotFound,
    Timeout,
    UnsupportedType,
    error_of,
)

T = TypeVar("T")
Key = str | bytes
# (code, value, revision, height, message, leader or 0, outcome unknown); scans and chains: (code,
# items, pages or first, height or head, message, 0, False).
Outcome = tuple[int, Any, int, int, str, int, bool]

_NOT_FOUND = _core.ErrorCode.not_found.value
_COMPARE_FAILED = _core.ErrorCode.compare_failed.value
BATCH_WINDOW = 1024  # calls of a batch under way at once
_REVISION_MAX = _HEIGHT_MAX = (1 << 64) - 1
_SHOWN_MAX = 64  # of a key in a message
_MODES = {mode.name: int(mode) for mode in _core.ReadMode}


class Call(Generic[T]):
    """A call that can be started: `call.start(*call.arguments, queue)`.

    Its end is `call.finish(outcome, call.about)`: the value, or an exception.
    """

    __slots__ = ("about", "arguments", "finish", "start")

    def __init__(
        self,
        start: Callable[..., Any],
        arguments: tuple[Any, ...],
        finish: Callable[[Outcome, Any], T],
        about: Any,
    ) -> None:
        self.start = start
        self.arguments = arguments
        self.finish = finish
        self.about = about

    @property
    def is_write(self) -> bool:
        """Whether it may have an effect after its deadline."""
        return self.finish in _WRITES


class ChainPage(NamedTuple):
    """Some blocks of a node."""

    first: int
    head: int
    blocks: list[bytes]


class _Read(NamedTuple):
    """What the end of a read has to know."""

    key: Key
    codec: Codec
    default: Any = None


# ---- keys and values


def key_bytes(key: Key) -> bytes:
    """Returns a key as it is stored. Lone surrogates stand for bytes, as in os.fsencode."""
    if isinstance(key, str):
        try:
            return str.encode(key, "utf-8", "surrogateescape")
        except UnicodeEncodeError as failure:
            raise BadRequest(f"the key {named(key)} is no UTF-8: {failure.reason}") from None
    if isinstance(key, (bytes, bytearray, memoryview)):
        return octets_of(key)
    raise TypeError(f"a key is str or bytes, not {type(key).__qualname__}; use str(key)")


def named(key: Key) -> str:
    """Returns a key as messages show it."""
    return repr(key) if len(key) <= _SHOWN_MAX else f"{key[:_SHOWN_MAX]!r}… ({len(key)} long)"


def _value_bytes(codec: Codec, key: Key, value: Any) -> bytes:
    try:
        octets = codec.encode(value)
    except (Error, MemoryError):
        raise
    except Exception as failure:
        kind = UnsupportedType if isinstance(failure, TypeError) else CodecError
        raise kind(
            f"the codec {name_of(codec)!r} cannot write the value for {named(key)}: {failure}"
        ) from failure
    if not isinstance(octets, bytes):
        raise UnsupportedType(
            f"encode() of the codec {name_of(codec)!r} gave {type(octets).__qualname__}, not bytes"
        )
    return octets


def decode_value(codec: Codec, key: Key, octets: bytes) -> Any:
    try:
        return codec.decode(octets)
    except MemoryError:
        raise
    except Exception as failure:
        raise CodecError(
            f"the value of {named(key)} is no {name_of(codec)}: {failure}; it begins with "
            f"{octets[:32]!r}, and codec='bytes' reads anything"
        ) from failure


# ---- ends


def _error(outcome: Outcome, what: str, outcome_unknown: bool) -> Error:
    error = error_of(outcome[0], f"{what}: {outcome[4] or _core.ErrorCode(outcome[0]).name}")
    error.leader = outcome[5] or None
    if isinstance(error, Timeout):
        error.outcome_unknown = outcome_unknown
    return error


def _missing(key: Key) -> NotFound:
    return NotFound(f"the key {named(key)} is not there")


def _put_end(outcome: Outcome, key: Key) -> int:
    if outcome[0]:
        raise _error(outcome, f"put of {named(key)}", outcome[6])
    return outcome[2]


def _delete_end(outcome: Outcome, key: Key) -> bool:
    if outcome[0] == _NOT_FOUND:
        return False
    if outcome[0]:
        raise _error(outcome, f"delete of {named(key)}", outcome[6])
    return True


def _remove_end(outcome: Outcome, key: Key) -> None:
    if not _delete_end(outcome, key):
        raise _missing(key)


def _compare_end(outcome: Outcome, about: tuple[Key, int]) -> int:
    key, expected = about
    if outcome[0] == _COMPARE_FAILED:
        found = outcome[2]
        there = f"has revision {found}" if found else "is not there"
        wanted = f"revision {expected}" if expected else "no such key"
        message = f"the key {named(key)} {there}, expected {wanted}"
        raise CompareFailed(message, revision=found, leader=outcome[5] or None)
    if outcome[0]:
        raise _error(outcome, f"compare_and_put of {named(key)}", outcome[6])
    return outcome[2]


def _get_end(outcome: Outcome, read: _Read) -> Any:
    if outcome[0] == _NOT_FOUND:
        return read.default
    if outcome[0]:
        raise _error(outcome, f"get of {named(read.key)}", False)
    return decode_value(read.codec, read.key, outcome[1])


def _entry_end(outcome: Outcome, read: _Read) -> Entry:
    if outcome[0] == _NOT_FOUND:
        raise _missing(read.key)
    if outcome[0]:
        raise _error(outcome, f"get of {named(read.key)}", False)
    value = decode_value(read.codec, read.key, outcome[1])
    return Entry(read.key, value, outcome[2], outcome[3])


def _contains_end(outcome: Outcome, key: Key) -> bool:
    if outcome[0] not in (0, _NOT_FOUND):
        raise _error(outcome, f"get of {named(key)}", False)
    return outcome[0] == 0


def _scanned(outcome: Outcome, prefix: Key) -> list[tuple[Any, bytes, int]]:
    """The items, with keys of the prefix's type."""
    if outcome[0]:
        raise _error(outcome, f"scan of {named(prefix)}", False)
    items: list[tuple[bytes, bytes, int]] = outcome[1]
    if isinstance(prefix, str):
        return [
            (key.decode("utf-8", "surrogateescape"), octets, revision)
            for key, octets, revision in items
        ]
    return items


def _scan_end(outcome: Outcome, read: _Read) -> list[Entry]:
    return [
        Entry(key, decode_value(read.codec, key, octets), revision, outcome[3])
        for key, octets, revision in _scanned(outcome, read.key)
    ]


def _items_end(outcome: Outcome, read: _Read) -> list[tuple[Any, Any]]:
    return [
        (key, decode_value(read.codec, key, octets))
        for key, octets, _ in _scanned(outcome, read.key)
    ]


def _keys_end(outcome: Outcome, prefix: Key) -> list[Any]:
    return [key for key, _, _ in _scanned(outcome, prefix)]


def _admin_end(outcome: Outcome, action: str) -> Any:
    if outcome[0]:
        raise _error(outcome, f"the order {action!r}", action == "fault")
    return json.loads(outcome[1]) if outcome[1] else None


def _chain_end(outcome: Outcome, first: int) -> ChainPage:
    if outcome[0]:
        raise _error(outcome, f"the chain from height {first}", False)
    return ChainPage(outcome[2], outcome[3], outcome[1])


_WRITES = (_put_end, _delete_end, _remove_end, _compare_end)


# ---- beginnings


class Calls:
    """Makes the calls of one view of a client.

    Raises TypeError and BadRequest for wrong arguments.
    """

    def __init__(self, connection: Connection, codec: Codec) -> None:
        self.connection = connection
        self.codec = codec
        core = connection.core
        self._put = core.put
        self._remove = core.remove
        self._compare_and_put = core.compare_and_put
        self._get = core.get
        self._scan = core.scan
        self._chain = core.chain
        self._admin = core.admin

    def _codec(self, codec: str | Codec | None) -> Codec:
        return self.codec if codec is None else find_codec(codec)

    def put(
        self, key: Key, value: Any, codec: str | Codec | None, deadline: float | None
    ) -> Call[int]:
        """Of put()."""
        stored = key_bytes(key)
        octets = _value_bytes(self._codec(codec), key, value)
        arguments = (stored, octets, _deadline(deadline), -1)
        return Call(self._put, arguments, _put_end, key)

    def delete(self, key: Key, deadline: float | None) -> Call[bool]:
        """Of delete()."""
        return Call(self._remove, (key_bytes(key), _deadline(deadline), -1), _delete_end, key)

    def remove(self, key: Key) -> Call[None]:
        """Of `del db[key]`."""
        return Call(self._remove, (key_bytes(key), -1.0, -1), _remove_end, key)

    def compare_and_put(
        self,
        key: Key,
        value: Any,
        revision: int,
        codec: str | Codec | None,
        deadline: float | None,
    ) -> Call[int]:
        """Of compare_and_put()."""
        revision = whole(revision, "a revision", 0, _REVISION_MAX)
        stored = key_bytes(key)
        octets = _value_bytes(self._codec(codec), key, value)
        arguments = (stored, revision, octets, _deadline(deadline), -1)
        return Call(self._compare_and_put, arguments, _compare_end, (key, revision))

    def _read(
        self,
        key: Key,
        consistency: str,
        node: int | None,
        deadline: float | None,
        finish: Callable[[Outcome, Any], T],
        about: Any,
    ) -> Call[T]:
        arguments = (
            key_bytes(key),
            _mode(consistency),
            _deadline(deadline),
            self.connection.endpoint_of(node),
        )
        return Call(self._get, arguments, finish, about)

    def get(
        self,
        key: Key,
        default: Any,
        consistency: str,
        node: int | None,
        codec: str | Codec | None,
        deadline: float | None,
    ) -> Call[Any]:
        """Of get()."""
        about = _Read(key, self._codec(codec), default)
        return self._read(key, consistency, node, deadline, _get_end, about)

    def entry(
        self,
        key: Key,
        consistency: str,
        node: int | None,
        codec: str | Codec | None,
        deadline: float | None,
    ) -> Call[Entry]:
        """Of entry()."""
        about = _Read(key, self._codec(codec))
        return self._read(key, consistency, node, deadline, _entry_end, about)

    def contains(
        self, key: Key, consistency: str, node: int | None, deadline: float | None
    ) -> Call[bool]:
        """Of contains()."""
        return self._read(key, consistency, node, deadline, _contains_end, key)

    def _scan_call(
        self,
        prefix: Key,
        consistency: str,
        node: int | None,
        deadline: float | None,
        finish: Callable[[Outcome, Any], T],
        about: Any,
    ) -> Call[T]:
        if consistency == "ledger":
            raise BadRequest("a scan is 'linearizable' or 'local', not 'ledger'")
        arguments = (
            key_bytes(prefix),
            _mode(consistency),
            _deadline(deadline),
            self.connection.endpoint_of(node),
        )
        return Call(self._scan, arguments, finish, about)

    def scan(
        self,
        prefix: Key,
        consistency: str,
        node: int | None,
        codec: str | Codec | None,
        deadline: float | None,
    ) -> Call[list[Entry]]:
        """Of scan()."""
        about = _Read(prefix, self._codec(codec))
        return self._scan_call(prefix, consistency, node, deadline, _scan_end, about)

    def items(
        self,
        prefix: Key,
        consistency: str,
        node: int | None,
        codec: str | Codec | None,
        deadline: float | None,
    ) -> Call[list[tuple[Any, Any]]]:
        """Of items()."""
        about = _Read(prefix, self._codec(codec))
        return self._scan_call(prefix, consistency, node, deadline, _items_end, about)

    def keys(
        self, prefix: Key, consistency: str, node: int | None, deadline: float | None
    ) -> Call[list[Any]]:
        """Of keys()."""
        return self._scan_call(prefix, consistency, node, deadline, _keys_end, prefix)

    def admin(self, action: str, argument: Any, node: int, deadline: float | None) -> Call[Any]:
        """Of admin()."""
        if not isinstance(action, str):
            raise TypeError(f"an action is a str, not {type(action).__qualname__}")
        if not action.isascii():
            raise BadRequest(f"there is no order {named(action)}")
        text = b"" if argument is None else find_codec("json").encode(argument)
        arguments = (action, text.decode(), _deadline(deadline), self.connection.endpoint_of(node))
        return Call(self._admin, arguments, _admin_end, action)

    def chain_page(self, first: int, node: int | None, deadline: float | None) -> Call[ChainPage]:
        """Of a step of chain()."""
        arguments = (first, _deadline(deadline), self.connection.endpoint_of(node))
        return Call(self._chain, arguments, _chain_end, first)


class ChainWalk:
    """Walks along a chain: next_call() until it is None, and what came of it into take().

    Every block is verified by itself and against the one before. The first one is verified against
    genesis where it is block 1 and the cluster's name is known.
    """

    def __init__(
        self, calls: Calls, first: int, last: int | None, node: int | None, deadline: float | None
    ) -> None:
        self._calls = calls
        self._next = whole(first, "the first height", 1, _HEIGHT_MAX)
        self._last = None if last is None else whole(last, "the last height", 0, _HEIGHT_MAX)
        self._node = node
        self._deadline = deadline
        genesis = calls.connection.genesis
        self._head = Head(0, genesis) if first == 1 and genesis is not None else None
        calls.connection.endpoint_of(node)

    def next_call(self) -> Call[ChainPage] | None:
        """The question for the next blocks; None at the end."""
        if self._last is not None and self._next > self._last:
            return None
        return self._calls.chain_page(self._next, self._node, self._deadline)

    def take(self, page: ChainPage) -> list[Block]:
        """Returns the blocks of a page, verified. Raises Damaged."""
        # Without a `last`, the walk ends where the chain did when it began.
        self._last = page.head if self._last is None else min(self._last, page.head)
        blocks = []
        for octets in page.blocks:
            if self._next > self._last:
                break
            try:
                block = decode_block(octets)
                if self._head is None:
                    self._head = Head(block.height - 1, block.previous)
                self._head = self._head.then(block)
                if block.height != self._next:
                    raise Damage(f"height {block.height}, expected {self._next}")
            except Damage as damage:
                raise Damaged(f"block {self._next}: {damage.text}") from None
            blocks.append(Block.of(block))
            self._next += 1
        if not blocks:
            self._last = self._next - 1
        return blocks


def _deadline(deadline: float | None) -> float:
    return -1.0 if deadline is None else seconds(deadline, "deadline")


def _mode(consistency: str) -> int:
    mode = _MODES.get(consistency) if isinstance(consistency, str) else None
    if mode is None:
        if not isinstance(consistency, str):
            raise TypeError(f"consistency is a word, not {type(consistency).__qualname__}")
        words = ", ".join(map(repr, _MODES))
        raise BadRequest(f"there is no consistency {consistency!r}; there are {words}")
    return mode
