"""Paxledger for Python."""

from paxledger import _core, aio
from paxledger.client import Client, connect
from paxledger.codecs import Codec
from paxledger.entry import Entry
from paxledger.errors import (
    BadRequest,
    ClosedError,
    CodecError,
    CompareFailed,
    ConfigurationError,
    Damaged,
    Error,
    ForkedError,
    NoQuorum,
    NotFound,
    Overloaded,
    Repairing,
    SessionExpired,
    ShuttingDown,
    SystemFailure,
    Timeout,
    TooLarge,
    Unauthorized,
)
from paxledger.future import Future, Waited, wait
from paxledger.pipeline import Batch, Pipelined

__version__ = _core.__version__

__all__ = [
    "BadRequest",
    "Batch",
    "Client",
    "ClosedError",
    "Codec",
    "CodecError",
    "CompareFailed",
    "ConfigurationError",
    "Damaged",
    "Entry",
    "Error",
    "ForkedError",
    "Future",
    "NoQuorum",
    "NotFound",
    "Overloaded",
    "Pipelined",
    "Repairing",
    "SessionExpired",
    "ShuttingDown",
    "SystemFailure",
    "Timeout",
    "TooLarge",
    "Unauthorized",
    "Waited",
    "aio",
    "connect",
    "wait",
]
