"""How Python values become the bytes that the database stores, and back.

The database knows bytes only. A codec is named where a client is made (`connect(codec="json")`),
for a view of it (`db.using("json")`) or for one call (`db.put(key, value, codec="json")`):

| codec | takes | gives |
|---|---|---|
| `"bytes"` | `bytes`, `bytearray`, `memoryview`; `str` as UTF-8 | `bytes` |
| `"str"` | `str` | `str` |
| `"json"` | `dict` with `str` keys, `list`, `str`, numbers, `bool`, `None` | the same |
| `"msgpack"` | the same, and `bytes`, and `dict` with other keys | the same |

JSON and MessagePack have one kind of sequence, so a tuple comes back as a list; and JSON knows no
keys but `str`, so `{1: 2}` comes back as `{"1": 2}`. Any object with the
two methods of `Codec` serves as well.
"""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable

import msgpack

from paxledger.errors import BadRequest


@runtime_checkable
class Codec(Protocol):
    """What can stand for a codec: two methods that undo each other.

    `encode` raises TypeError or ValueError for what it does not take, `decode` anything for bytes
    that it cannot read.

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
            return value.encode()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        raise TypeError(
            f"the codec 'bytes' takes bytes and str, not {_type_of(value)}; {_advice(value)}"
        )

    def decode(self, octets: bytes, /) -> bytes:
        return octets


class _Str:
    name = "str"

    def encode(self, value: Any, /) -> bytes:
        if isinstance(value, str):
            return value.encode()
        hint = "codec='bytes'" if isinstance(value, (bytes, bytearray, memoryview)) else None
        raise TypeError(
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
        self._decode = json.JSONDecoder().decode

    def encode(self, value: Any, /) -> bytes:
        try:
            return self._encode(value).encode()
        except TypeError as failure:
            raise TypeError(
                f"the codec 'json' cannot write {_type_of(value)}: {failure}; "
                "codec='msgpack' takes bytes as well"
            ) from None

    def decode(self, octets: bytes, /) -> Any:
        return self._decode(octets.decode())


class _MsgPack:
    name = "msgpack"

    def encode(self, value: Any, /) -> bytes:
        try:
            packed: bytes = msgpack.packb(value)
        except (TypeError, OverflowError) as failure:
            raise TypeError(
                f"the codec 'msgpack' cannot write {_type_of(value)}: {failure}; "
                "convert it to dict, list, str, bytes or a number first"
            ) from None
        return packed

    def decode(self, octets: bytes, /) -> Any:
        return msgpack.unpackb(octets, strict_map_key=False)


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
