"""The exceptions of Paxledger.

All of them are `Error`. The classes follow the codes of the protocol, which are the same in C++, on
the wire and on the command line (docs/reference/client-protocol.md). What a write's exception says
about its outcome:

- `CompareFailed`, `NotFound`: it was decided, exactly once, with this result.
- `Timeout`: it may have been decided, may yet be, or never was; `outcome_unknown` is false where it
  is known that it never was: the time was up before the write could be sent.
- every other one: it had and will have no effect.
"""

from __future__ import annotations

from typing import ClassVar

from paxledger._core import ErrorCode


class Error(Exception):
    """Base of all exceptions of Paxledger.

    Attributes:
        code: The word for the kind of error, e.g. "no_quorum".
        message: What happened, where, and what was expected.
        outcome_unknown: Whether a write may have happened nevertheless.
        leader: The node that the answering node takes for the leader, where it said so.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, outcome_unknown: bool = False, leader: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.outcome_unknown = outcome_unknown
        self.leader = leader

    def __str__(self) -> str:
        return self.message


class NotFound(Error, KeyError):
    """The key is not there."""

    code = "not_found"


class CompareFailed(Error):
    """The key's revision is not the expected one; `revision` is the one it has, 0 for none."""

    code = "compare_failed"

    def __init__(self, message: str, *, revision: int = 0, leader: int | None = None) -> None:
        super().__init__(message, leader=leader)
        self.revision = revision


class NoQuorum(Error, ConnectionError):
    """No majority of the nodes could be reached; the request had no effect."""

    code = "no_quorum"


class Timeout(Error, TimeoutError):
    """The deadline passed. A write may have happened nevertheless: `outcome_unknown`."""

    code = "timeout"


class Overloaded(Error):
    """A queue is full; the request had no effect. Ask again later, and less."""

    code = "overloaded"


class TooLarge(Error, ValueError):
    """A key has more than 4,096 bytes or a value more than 1,048,576; no effect."""

    code = "too_large"


class SessionExpired(Error):
    """The cluster no longer knows the client's session; the request had no effect."""

    code = "session_expired"


class Unauthorized(Error, PermissionError):
    """Not allowed here, such as faults where cluster.yaml lacks `fault_injection: true`."""

    code = "unauthorized"


class BadRequest(Error, ValueError):
    """The request makes no sense to the cluster; no effect."""

    code = "bad_request"


class ShuttingDown(Error):
    """The node, or this client, is stopping; the request had no effect."""

    code = "shutting_down"


class Repairing(Error):
    """The asked node repairs its history and serves no reads; ask another one."""

    code = "repairing"


class SystemFailure(Error, OSError):
    """The operating system refused a file, a socket or a process, or a node's process ended."""

    code = "io"


class Damaged(Error):
    """Stored bytes are not what was written."""

    code = "damaged"


class ConfigurationError(Error, ValueError):
    """cluster.yaml or an option is wrong; the message names file, line and what was expected."""

    code = "configuration"


class CodecError(Error, ValueError):
    """A codec cannot write a value, or cannot read the bytes that are stored; no effect."""

    code = "codec"


class UnsupportedType(CodecError, TypeError):
    """A codec cannot write a value of this type, or a value of this type within the value."""


class ClosedError(Error):
    """A client or cluster was used after it was closed."""

    code = "closed"


class ForkedError(Error):
    """A client or cluster was used in a fork of the process that opened it."""

    code = "forked"


_BY_CODE: dict[int, type[Error]] = {
    ErrorCode[each.code].value: each
    for each in (
        NotFound,
        CompareFailed,
        NoQuorum,
        Timeout,
        Overloaded,
        TooLarge,
        SessionExpired,
        Unauthorized,
        BadRequest,
        ShuttingDown,
        Repairing,
        SystemFailure,
        Damaged,
        ConfigurationError,
    )
}


def error_of(code: int, message: str) -> Error:
    """Returns the exception for a code of the C++ libraries.

    Args:
        code: A number of `ErrorCode`, not 0.
        message: What happened.
    """
    kind = _BY_CODE[code]
    if kind is Timeout:
        return Timeout(message, outcome_unknown=True)
    return kind(message)
