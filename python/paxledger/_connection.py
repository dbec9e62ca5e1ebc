"""The one C++ client that the views of blocking and asyncio clients share, and its end."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from collections.abc import Iterable, Mapping

from paxledger import _core
from paxledger.audit import cluster_id, genesis
from paxledger.errors import BadRequest


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
        identity = None if cluster is None else cluster_id(cluster)
        self.genesis = None if identity is None else genesis(identity)
        self.outstanding_max = _count(outstanding_max, "outstanding_max")
        self.core = _core.Client(
            endpoints=self.endpoints,
            cluster=identity,
            deadline=seconds(deadline, "deadline"),
            attempt_timeout=seconds(attempt_timeout, "attempt_timeout"),
            session_ttl=seconds(session_ttl, "session_ttl"),
            outstanding_max=self.outstanding_max,
            connections=_count(connections, "connections"),
            spread=False,
        )
        _open.add(self)

    def endpoint_of(self, node: int | None) -> int:
        """Returns the index of a node's endpoint; -1, any node, for None."""
        if node is None:
            return -1
        if isinstance(node, bool) or not isinstance(node, int):
            raise TypeError(f"node is a number, not {type(node).__qualname__}")
        if node not in self._nodes:
            known = ", ".join(map(str, self._nodes))
            raise BadRequest(f"there is no node {node}; this client knows {known}")
        return self._nodes[node]

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self.core.closed

    def close(self) -> None:
        """Ends the calls under way, and waits at most 250 ms for the session to be taken back."""
        self.core.close()


def seconds(value: float, what: str) -> float:
    """Returns a number of seconds from 0 to a day. Raises TypeError, BadRequest."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number of seconds, not {type(value).__qualname__}")
    if not 0 <= value <= 86400:
        raise BadRequest(f"{what} is 0 to 86400 seconds, not {value:g}")
    return float(value)


def _count(value: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is a whole number, not {type(value).__qualname__}")
    if not 0 < value < 1 << 31:
        raise BadRequest(f"{what} is at least 1, not {value}")
    return value


def _endpoints(endpoints: str | Iterable[str]) -> list[str]:
    if isinstance(endpoints, str):
        return [each.strip() for each in endpoints.split(",")]
    if not isinstance(endpoints, Iterable) or isinstance(endpoints, (bytes, bytearray)):
        raise TypeError(f"endpoints are str, not {type(endpoints).__qualname__}")
    listed = list(endpoints)
    for each in listed:
        if not isinstance(each, str):
            raise TypeError(f"an endpoint is a str, not {type(each).__qualname__}")
    return listed


_open: weakref.WeakSet[Connection] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Ends every wait before the interpreter goes away, for none could come back afterwards."""
    for each in list(_open):
        with contextlib.suppress(Exception):
            each.close()
    _core.await_waiters(2.0)
