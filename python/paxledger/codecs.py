"""How Python values become the bytes that the database stores, and back.

The database knows bytes only. A codec is named where a client is made (`connect(codec="json")`),
for a view of it (`db.using("json")`) or for one call (`db.put(key, value, codec="json")`):

| codec | takes | gives |
|---|---|---|
| `"bytes"` | `bytes`, `bytearray`, `memoryview`; `str` as UTF-8 | `bytes` |
| `"str"` | `str` | `str` |
| `"json"` | `dict` with `str` keys, `list`, `str`, numbers, `bool`, `None` | the same |
| `"msgpack"` | the same, and `bytes`, and `dict` with such keys | the same |

What is stored can be read again: what a codec would change beyond recognition, or could not read,
it refuses to write, with a CodecError that says where in the value it is. That goes for keys of a
`dict` that JSON would turn into `str`, for integers of more than 64 bits in MessagePack, for NaN in
JSON, for text with lone surrogates, and for what is nested more than 256 deep. Only these come back
as something else: a tuple as a list, for both formats have one kind of sequence; a `bytearray` or
`memoryview` as `bytes`; and an instance of a subclass, such as an `IntEnum`, as the plain value.

Any object with the two methods of `Codec` serves as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import msgpack

from paxledger.errors import BadRequest, CodecError, UnsupportedType

# Deeper values are refused. Both formats are written and read by recursion, and Python's bound for
# that depends on who calls: what was written somewhere could be beyond it somewhere else.
NESTED_MAX = 256


@runtime_checkable
class Codec(Protocol):
    """What can stand for a codec: two methods that undo each other.

    What they raise becomes the cause of a CodecError; a TypeError of `encode`, that of an
    UnsupportedType, which is a TypeError too.

    Example:
        >>> class Upper:
        ...     def encode(self, value):
        ...         return value.upper().encode()
        ...     def decode(self, octets):
        ...         return octets.decode()
        >>> db.put("shout", "hello", codec=Upper()) > 0
        True
        >>> db.get("shout")
        b'HELLO'
    """

    def encode(self, value: Any, /) -> bytes:
        """Returns the bytes to store for a value."""
        ...

    def decode(self, octets: bytes, /) -> Any:
        """Returns the value that stored bytes stand for."""
        ...


class _Bytes:
    name = "bytes"

    def encode(self, value: Any, /) -> bytes:
        if isinstance(value, str):
            return _utf8(value, self.name)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return octets_of(value)
        raise UnsupportedType(
            f"the codec 'bytes' takes bytes and str, not {_type_of(value)}; {_advice(value)}"
        )

    def decode(self, octets: bytes, /) -> bytes:
        return octets


class _Str:
    name = "str"

    def encode(self, value: Any, /) -> bytes:
        if isinstance(value, str):
            return _utf8(value, self.name)
        hint = "codec='bytes'" if isinstance(value, (bytes, bytearray, memoryview)) else None
        raise UnsupportedType(
            f"the codec 'str' takes str, not {_type_of(value)}; "
            f"{_advice(value) if hint is None else f'use {hint} for it'}"
        )

    def decode(self, octets: bytes, /) -> str:
        return octets.decode()


class _Json:
    name = "json"

    def __init__(self) -> None:
        encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._encode = encoder.encode
        self._decode = json.JSONDecoder(parse_constant=_no_number).decode

    def encode(self, value: Any, /) -> bytes:
        try:
            octets = self._encode(value).encode()
        except (TypeError, ValueError, OverflowError, RecursionError) as failure:
            raise _refusal(self.name, value, _JSON, failure) from failure
        _check(self.name, value, _JSON)
        return octets

    def decode(self, octets: bytes, /) -> Any:
        return self._decode(octets.decode())


class _MsgPack:
    name = "msgpack"

    def encode(self, value: Any, /) -> bytes:
        try:
            octets: bytes = msgpack.packb(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as failure:
            raise _refusal(self.name, value, _MSGPACK, failure) from failure
        _check(self.name, value, _MSGPACK)
        return octets

    def decode(self, octets: bytes, /) -> Any:
        return msgpack.unpackb(octets, strict_map_key=False)


# ---- what can be written and read again


class _Format:
    """What a format can say.

    Attributes:
        scalars: The types of values that hold no others.
        keys: Of a dict.
        others: The advice for other types.
    """

    def __init__(self, scalars: tuple[type, ...], keys: tuple[type, ...], others: str) -> None:
        self.scalars = scalars
        self.keys = keys
        self.others = others
        self.plain_scalars = frozenset(scalars)
        self.plain_keys = frozenset(keys)


_JSON = _Format(
    (str, int, float, bool, type(None)),
    (str,),
    "convert it to dict, list, str or a number first; codec='msgpack' takes bytes as well",
)
_MSGPACK = _Format(
    (str, int, float, bool, type(None), bytes, bytearray, memoryview),
    (str, int, float, bool, type(None), bytes),
    "convert it to dict, list, str, bytes or a number first",
)


class _Fault(Exception):  # noqa: N818 - it goes no farther than this file
    """Why a value cannot be kept, and how to mend it."""

    def __init__(self, kind: type[CodecError], text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _check(codec: str, value: Any, rules: _Format) -> None:
    """Refuses what was written but could not be read again as it is."""
    if type(value) in rules.plain_scalars:
        return
    found = _find_fault(value, rules, written=True)
    if found is not None:
        raise _said(codec, value, *found)


def _refusal(codec: str, value: Any, rules: _Format, failure: Exception) -> CodecError:
    """Says what it was in a value that could not be written, and where."""
    found = _find_fault(value, rules, written=False)
    if found is not None:
        return _said(codec, value, *found)
    kind = UnsupportedType if isinstance(failure, TypeError) else CodecError
    return kind(f"the codec {codec!r} cannot write {_type_of(value)}: {failure}; {rules.others}")


def _said(codec: str, value: Any, where: str, fault: _Fault) -> CodecError:
    at = f"at value{_cut(where)}, " if where else ""
    return fault.kind(f"the codec {codec!r} cannot write this {_type_of(value)}: {at}{fault}")


def _find_fault(value: Any, rules: _Format, written: bool) -> tuple[str, _Fault] | None:
    """Walks through a value in the order of writing; where the first fault is, and what.

    Without recursion, so that it finds its way also through what is nested too deeply or contains
    itself. With `written`, single values are known to be good, and only types, keys and depth are
    looked at.
    """
    steps: list[str] = []
    levels: list[Iterator[tuple[str, Any]]] = [iter((("", value),))]
    while levels:
        for step, each in levels[-1]:
            kind = type(each)
            if written and kind in rules.plain_scalars:
                continue
            try:
                if len(levels) > NESTED_MAX and isinstance(each, (dict, list, tuple)):
                    raise _Fault(
                        CodecError,
                        f"it is nested more than {NESTED_MAX} deep, or contains itself; store its "
                        "parts under keys of their own",
                    )
                inner = _look_at(each, rules, written)
            except _Fault as fault:
                return "".join([*steps, step]), fault
            if inner is not None:
                steps.append(step)
                levels.append(inner)
                break
        else:
            levels.pop()
            if steps:
                steps.pop()
    return None


def _look_at(value: Any, rules: _Format, written: bool) -> Iterator[tuple[str, Any]] | None:
    """What a value holds; None: nothing that has to be looked at. Raises _Fault."""
    if isinstance(value, dict):
        _look_at_keys(value, rules, written)
        if written and rules.plain_scalars.issuperset(map(type, value.values())):
            return None
        return ((f"[{_cut(repr(key))}]", each) for key, each in value.items())
    if isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
        if written and rules.plain_scalars.issuperset(map(type, value)):
            return None
        return ((f"[{index}]", each) for index, each in enumerate(value))
    if not isinstance(value, rules.scalars):
        raise _Fault(UnsupportedType, f"{_type_of(value)} is no type of it; {rules.others}")
    if not written:
        _look_at_scalar(value, rules)
    return None


def _look_at_keys(value: Mapping[Any, Any], rules: _Format, written: bool) -> None:
    if written and rules.plain_keys.issuperset(map(type, value)):
        return
    plain = set()
    for key in value:
        if not isinstance(key, rules.keys):
            raise _Fault(
                UnsupportedType,
                f"the key {_cut(repr(key))} is {_type_of(key)}; keys must be "
                f"{_names_of(rules.keys)}: convert it, or store a list of pairs",
            )
        if not written:
            _look_at_scalar(key, rules)
        # What makes two keys of a subclass different may be lost when they are written.
        plain.add(_plain(key))
    if len(plain) < len(value):
        raise _Fault(CodecError, "two of its keys would become the same; convert them first")


def _look_at_scalar(value: Any, rules: _Format) -> None:
    if isinstance(value, str):
        try:
            str.encode(value)
        except UnicodeEncodeError as failure:
            raise _Fault(CodecError, f"{_SURROGATES}: {failure}") from None
    if isinstance(value, float) and rules is _JSON and not math.isfinite(value):
        raise _Fault(CodecError, f"JSON has no number {value}; use None, or codec='msgpack'")
    if isinstance(value, int) and rules is _MSGPACK and not -(1 << 63) <= value < 1 << 64:
        raise _Fault(
            CodecError,
            f"MessagePack has no int of {value.bit_length()} bits; use codec='json', or str for it",
        )


_SURROGATES = "text with lone surrogates is no UTF-8; os.fsencode() makes bytes of it"


def _plain(key: Any) -> Any:
    """The key as it comes back."""
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, bytes):
        return octets_of(key)
    if isinstance(key, int):
        return int.__index__(key)
    return float.__float__(key) if isinstance(key, float) else key


def _utf8(value: str, codec: str) -> bytes:
    try:
        return str.encode(value)  # whatever a subclass makes of encode()
    except UnicodeEncodeError as failure:
        raise CodecError(
            f"the codec {codec!r} cannot write this str: {_SURROGATES}: {failure}"
        ) from None


def octets_of(value: bytes | bytearray | memoryview) -> bytes:
    """Returns the octets of a buffer, in the order of its elements. Raises CodecError."""
    if type(value) is bytes:
        return value
    try:
        return bytes(memoryview(value))  # whatever a subclass makes of __bytes__()
    except ValueError as failure:
        raise CodecError(f"this {_type_of(value)} cannot be read: {failure}") from None


def _no_number(name: str) -> Any:
    raise ValueError(f"JSON has no number {name}")


def _names_of(types: Iterable[type]) -> str:
    names = ["None" if each is type(None) else each.__name__ for each in types]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _cut(text: str, length: int = 100) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _type_of(value: object) -> str:
    return type(value).__qualname__


def _advice(value: object) -> str:
    if isinstance(value, (dict, list, tuple, int, float, bool, type(None))):
        return "use codec='json' or codec='msgpack' for it, e.g. db.using('json')"
    return "convert it first, or give a codec of your own (paxledger.Codec)"


_BY_NAME: dict[str, Codec] = {
    "bytes": _Bytes(),
    "str": _Str(),
    "json": _Json(),
    "msgpack": _MsgPack(),
}


def find_codec(codec: str | Codec) -> Codec:
    """Returns the codec of that name, or the given one.

    Args:
        codec: `"bytes"`, `"str"`, `"json"`, `"msgpack"`, or an object like `Codec`.

    Raises:
        BadRequest: There is no codec of that name.
        TypeError: The object lacks `encode` or `decode`.

    Example:
        >>> find_codec("json").encode({"a": 1})
        b'{"a":1}'
    """
    if isinstance(codec, str):
        if codec not in _BY_NAME:
            names = ", ".join(map(repr, _BY_NAME))
            raise BadRequest(f"there is no codec {codec!r}; there are {names}")
        return _BY_NAME[codec]
    if isinstance(codec, Codec) and not isinstance(codec, type):
        return codec
    raise TypeError(
        f"a codec is a name or an object with encode() and decode(), not {_type_of(codec)}"
    )


def name_of(codec: Codec) -> str:
    """Returns the name of a codec for messages."""
    return str(getattr(codec, "name", _type_of(codec)))
