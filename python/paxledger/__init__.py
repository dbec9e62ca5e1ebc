"""Paxledger for Python."""

from paxledger import _core, aio
from paxledger._calls import Key
from paxledger.chain import Block, Chain, Comparison, Operation
from paxledger.client import Client, connect
from paxledger.cluster import Cluster
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
    UnsupportedType,
)
from paxledger.faults import Fault, LinkEffect
from paxledger.future import Future, Waited, wait
from paxledger.node import Node
from paxledger.pipeline import Batch, Pipelined

__version__ = _core.__version__

__all__ = [
    "BadRequest",
    "Batch",
    "Block",
    "Chain",
    "Client",
    "ClosedError",
    "Cluster",
    "Codec",
    "CodecError",
    "CompareFailed",
    "Comparison",
    "ConfigurationError",
    "Damaged",
    "Entry",
    "Error",
    "Fault",
    "ForkedError",
    "Future",
    "Key",
    "LinkEffect",
    "NoQuorum",
    "Node",
    "NotFound",
    "Operation",
    "Overloaded",
    "Pipelined",
    "Repairing",
    "SessionExpired",
    "ShuttingDown",
    "SystemFailure",
    "Timeout",
    "TooLarge",
    "Unauthorized",
    "UnsupportedType",
    "Waited",
    "aio",
    "connect",
    "wait",
]
