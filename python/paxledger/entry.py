"""What the database says about a key."""

from __future__ import annotations

from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A key with its value and where it stands in the history.

    Attributes:
        key: `str` or `bytes`, as it was asked for.
        value: What the codec made of the stored bytes.
        revision: Counts all changes of the map; that of the key's last change. It is what
            `compare_and_put` compares with.
        height: Of the chain, when the node answered; for local reads, the height that was read.

    Example:
        >>> revision = db.put("alice", "1")
        >>> entry = db.entry("alice")
        >>> entry.value, entry.revision == revision
        (b'1', True)
    """

    key: Any
    value: Any
    revision: int
    height: int
