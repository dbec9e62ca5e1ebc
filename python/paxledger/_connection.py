"""The one C++ client that the views of blocking and asyncio clients share, and its end."""

from __future__ import annotations

import atexit
import operator
import re
import weakref
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import NoReturn, SupportsIndex

from paxledger import _core
from paxledger.audit import cluster_id, genesis
from paxledger.errors import BadRequest

_COUNT_MAX = (1 << 31) - 1


class Connection:
    """Owns a C++ client until close().

    Nodes are known by the keys of `endpoints` where it is a mapping, else by their place in it.

    Attributes:
        core: The C++ client. Any thread may use it.
        endpoints: Of the nodes.
        genesis: What the first block links to; None where the cluster's name is not known.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str] | Mapping[int, str],
        *,
        cluster: str | None = None,
        deadline: float = 5.0,
        session_ttl: float = 120.0,
        attempt_timeout: float = 0.5,
        outstanding_max: int = 4096,
        connections: int = 1,
    ) -> None:
        if isinstance(endpoints, Mapping):
            self.endpoints = _endpoints(endpoints.values())
            names: Iterable[int] = endpoints
        else:
            self.endpoints = _endpoints(endpoints)
            names = range(len(self.endpoints))
        self._nodes = {node: index for index, node in enumerate(names)}
        if cluster is not None and not isinstance(cluster, str):
            raise TypeError(f"cluster is a name, not {type(cluster).__qualname__}")
        if cluster is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", cluster):
            raise BadRequest(
                f"no cluster is named {cluster[:65]!r}; names are 1 to 64 letters, digits, -, _, ."
            )
        identity = None if cluster is None else cluster_id(cluster)
        self.genesis = None if identity is None else genesis(identity)
        self.outstanding_max = whole(outstanding_max, "outstanding_max", 1, _COUNT_MAX)
        self.core = _core.Client(
            endpoints=self.endpoints,
            cluster=identity,
            deadline=seconds(deadline, "deadline"),
            attempt_timeout=seconds(attempt_timeout, "attempt_timeout"),
            session_ttl=seconds(session_ttl, "session_ttl"),
            outstanding_max=self.outstanding_max,
            connections=whole(connections, "connections", 1, _COUNT_MAX),
            spread=False,
        )
        _open[id(self)] = self

    def endpoint_of(self, node: int | None) -> int:
        """Returns the index of a node's endpoint; -1, any node, for None."""
        if node is None:
            return -1
        if isinstance(node, bool) or not isinstance(node, SupportsIndex):
            raise TypeError(f"node is a number, not {type(node).__qualname__}")
        index = self._nodes.get(operator.index(node))
        if index is None:
            known = ", ".join(map(str, self._nodes))
            raise BadRequest(f"there is no node {_shown(node)}; this client knows {known}")
        return index

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self.core.closed

    def close(self) -> None:
        """Ends the calls under way, and waits at most 250 ms for the session to be taken back."""
        self.core.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a client is a connection of this process, and cannot be pickled or copied in depth; "
            f"open another one with paxledger.connect({self.endpoints!r})"
        )

    def abandon(self) -> None:
        """Ends it at once, also a close() that waits; the session expires by itself."""
        self.core.abandon()


def seconds(value: float, what: str) -> float:
    """Returns a number of seconds from 0 to a day. Raises TypeError, BadRequest."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{what} is a number of seconds, not {type(value).__qualname__}")
    if not 0 <= value <= 86400:
        raise BadRequest(f"{what} is 0 to 86400 seconds, not {_shown(value)}")
    return float(value)


def whole(value: SupportsIndex, what: str, least: int, most: int) -> int:
    """Returns a whole number, of NumPy too, within its bounds. Raises TypeError, BadRequest."""
    if type(value) is int and least <= value <= most:
        return value
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{what} is a whole number, not {type(value).__qualname__}")
    number = operator.index(value)
    if number < least:
        raise BadRequest(f"{what} is at least {least}, not {_shown(number)}")
    if number > most:
        raise BadRequest(f"{what} is at most {most}, not {_shown(number)}")
    return number


def _shown(number: object) -> str:
    """A number in a message; Python refuses to write out those of many thousand digits."""
    if isinstance(number, int) and number.bit_length() > 256:
        return f"a number of {number.bit_length()} bits"
    return str(number)


def _endpoints(endpoints: str | Iterable[str]) -> list[str]:
    if isinstance(endpoints, str):
        endpoints = [each.strip() for each in endpoints.split(",")]
    if not isinstance(endpoints, Iterable) or isinstance(endpoints, (bytes, bytearray)):
        raise TypeError(f"endpoints are str, not {type(endpoints).__qualname__}")
    listed = list(endpoints)
    for each in listed:
        if not isinstance(each, str):
            raise TypeError(f"an endpoint is a str, not {type(each).__qualname__}")
        if not each.isascii():
            raise BadRequest(f"{each!r} is no endpoint; expected one like tcp://127.0.0.1:7101")
    return listed


# By their addresses; unlike of a WeakSet, a list can be made of it while other threads add to it.
_open: weakref.WeakValueDictionary[int, Connection] = weakref.WeakValueDictionary()


@atexit.register
def _close_all() -> None:
    """Ends every wait before the interpreter goes away, for none could come back afterwards.

    All say their farewells at once, so together they take no longer than one. Ctrl-C ends that.
    """
    cores = [each.core for reference in _open.valuerefs() if (each := reference()) is not None]
    try:
        for core in cores:
            core.begin_close()
        for core in cores:
            core.close()
    finally:
        for core in cores:
            core.abandon()
        _core.await_waiters(2.0)
