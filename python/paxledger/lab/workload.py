"""What clients do during an experiment: which operations, on which keys, how many at once.

The operations are drawn from a seed, one after another in the order in which they begin: the same
seed gives the same sequence of kinds, keys and values, however fast the cluster is.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from paxledger.codecs import Codec, find_codec
from paxledger.lab.settings import flag_of, number_of, text_of, whole_of, word_of

WRITES = ("put", "delete", "compare_and_put")
KINDS = ("get", *WRITES)
DISTRIBUTIONS = ("uniform", "zipf", "sequential")
CONSISTENCIES = ("linearizable", "local", "ledger")

KEYS_MAX = 1_000_000
NODE_MAX = 1 << 16


@dataclass(frozen=True)
class Operation:
    """One call that a workload wants made.

    Attributes:
        kind: "get", "put", "delete" or "compare_and_put".
        key: The key.
        value: What is put; the workload's codec encodes it.
        revision: What `compare_and_put` compares with.
        consistency: Of a get.
        node: The only node that a get asks; None for any.

    Example:
        >>> Operation("put", "alice", b"1").kind
        'put'
    """

    kind: str
    key: str
    value: Any = None
    revision: int = 0
    consistency: str = "linearizable"
    node: int | None = None

    def __post_init__(self) -> None:
        word_of(self.kind, "kind", KINDS)
        if not isinstance(self.key, (str, bytes)):
            raise TypeError(f"key is a text or bytes, not {self.key!r}")
        word_of(self.consistency, "consistency", CONSISTENCIES)
        if self.node is not None:
            whole_of(self.node, "node", 1, NODE_MAX)


class Keys:
    """Draws keys: how many there are, and how often each is taken.

    "uniform" takes all equally often; "zipf" takes the n-th most popular in proportion to
    1 / n^skew; "sequential" takes one after another and begins anew at the end.

    Example:
        >>> keys = Keys(["a", "b", "c"], "sequential")
        >>> [keys.draw(Random(1)) for _ in range(4)]
        ['a', 'b', 'c', 'a']
    """

    def __init__(
        self, names: Sequence[str], distribution: str = "uniform", skew: float = 0.99
    ) -> None:
        if not 1 <= len(names) <= KEYS_MAX:
            raise ValueError(f"a workload has 1 to {KEYS_MAX:,} keys, not {len(names):,}")
        word_of(distribution, "distribution", DISTRIBUTIONS)
        number_of(skew, "skew", 0, 10, above=True)
        self.names = names
        self._distribution = distribution
        self._place = 0
        self._reach: list[float] = []
        if distribution == "zipf":
            weights = (1 / rank**skew for rank in range(1, len(names) + 1))
            self._reach = list(itertools.accumulate(weights))

    def begin(self) -> None:
        """Lets a sequence begin anew.

        Example:
            >>> Keys(["a"], "sequential").begin()
        """
        self._place = 0

    def draw(self, random: Random) -> str:
        """Returns the next key.

        Args:
            random: Where chance comes from.

        Example:
            >>> Keys(["a"]).draw(Random(1))
            'a'
        """
        if self._distribution == "uniform":
            return self.names[int(random.random() * len(self.names))]
        if self._distribution == "zipf":
            return self.names[bisect.bisect_right(self._reach, random.random() * self._reach[-1])]
        self._place += 1
        return self.names[(self._place - 1) % len(self.names)]


class Workload:
    """Base of all workloads: how fast, through which nodes. Subclasses say what.

    With `rate` the loop is open: operations begin at fixed times, whether the ones before have
    ended or not, and each latency counts from the time at which its operation was meant to begin,
    so that a stall shows in full. Without it the loop is closed: `concurrency` operations are
    always under way, and the next begins when one ends.

    A subclass defines `next_operation`, and perhaps `begin`, `initial` and `describe`. It may draw
    from the given `random` only, so that a seed gives the same operations again.

    Args:
        rate: Operations per second; None for a closed loop.
        concurrency: Operations under way at any time in a closed loop, by default 16. It has no
            meaning with a rate, and is refused there.
        outstanding_max: Operations under way at most in an open loop, by default 4,096. Beyond it
            they begin later, and their latency counts from when they were meant to; those that
            could not begin before the end are in the result as "not_begun". It has no meaning
            without a rate, and is refused there.
        nodes: The only nodes that this workload's client knows, by their ids; None for all.
        deadline: Seconds after which an operation ends without an answer.
        name: To tell several workloads of an experiment apart.
        codec: How values become bytes.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its bounds, or one that the loop has no use for.

    Example:
        >>> class Visits(Workload):
        ...     def next_operation(self, random):
        ...         return Operation("put", f"visit/{random.randrange(10)}", b"1")
        >>> Visits(concurrency=4)
        Visits(concurrency=4)
    """

    def __init__(
        self,
        *,
        rate: float | None = None,
        concurrency: int | None = None,
        outstanding_max: int | None = None,
        nodes: Sequence[int] | None = None,
        deadline: float = 5.0,
        name: str | None = None,
        codec: str | Codec = "bytes",
    ) -> None:
        if rate is not None:
            number_of(rate, "rate", 0, 1_000_000, "operations per second", above=True)
            if concurrency is not None:
                raise ValueError(
                    f"rate={rate!r} begins operations at fixed times and concurrency="
                    f"{concurrency!r} when others end: give one of them; outstanding_max= bounds "
                    "how many are under way at a rate"
                )
        elif outstanding_max is not None:
            raise ValueError(
                f"outstanding_max={outstanding_max!r} is the bound of a workload with rate=; "
                "without a rate, concurrency= says how many operations are under way"
            )
        self.rate = rate
        self.concurrency = 16
        if concurrency is not None:
            self.concurrency = whole_of(concurrency, "concurrency", 1, 65536)
        self.outstanding_max = 4096
        if outstanding_max is not None:
            self.outstanding_max = whole_of(outstanding_max, "outstanding_max", 1, 65536)
        self.nodes = None if nodes is None else _ids_of(nodes)
        self.deadline = number_of(deadline, "deadline", 0, 3600, "seconds", above=True)
        self.name = type(self).__name__.lower() if name is None else text_of(name, "name")
        if not self.name:
            raise ValueError('name is a text that is not empty, not ""')
        self.codec = codec
        find_codec(codec)

    def begin(self) -> None:
        """Called before each run: forgets what an earlier run has left.

        Example:
            >>> Puts().begin()
        """

    def next_operation(self, random: Random) -> Operation:
        """Returns the next operation.

        Args:
            random: Where chance comes from.

        Example:
            >>> Puts(keys=1).next_operation(Random(1)).key
            'key-0'
        """
        raise NotImplementedError(f"{type(self).__name__} must define next_operation(random)")

    def initial(self, random: Random) -> Iterator[Operation]:
        """Yields what is written before the clock starts; it is not recorded.

        Args:
            random: Where chance comes from.

        Example:
            >>> [operation.key for operation in Mixed(keys=2).initial(Random(1))]
            ['key-0', 'key-1']
        """
        return iter(())

    def describe(self) -> dict[str, Any]:
        """Returns the settings, as JSON can hold them.

        Example:
            >>> Puts(rate=100).describe()["rate"]
            100
        """
        return {
            "kind": type(self).__name__,
            "name": self.name,
            "rate": self.rate,
            "concurrency": self.concurrency if self.rate is None else None,
            "outstanding_max": self.concurrency if self.rate is None else self.outstanding_max,
            "nodes": None if self.nodes is None else list(self.nodes),
            "deadline": self.deadline,
            "codec": self.codec if isinstance(self.codec, str) else type(self.codec).__name__,
        }

    def __repr__(self) -> str:
        pace = f"rate={self.rate:g}" if self.rate is not None else f"concurrency={self.concurrency}"
        among = "" if self.nodes is None else f", nodes={list(self.nodes)}"
        return f"{type(self).__name__}({pace}{among})"


def _ids_of(nodes: object) -> tuple[int, ...]:
    if not isinstance(nodes, (list, tuple, range, set, frozenset)):
        raise TypeError(f"nodes is a list of ids, e.g. [1, 2], not {nodes!r}")
    if not nodes:
        raise ValueError("nodes=[] leaves no node to ask; leave it out to ask all")
    return tuple(whole_of(node, "an id in nodes", 1, NODE_MAX) for node in nodes)


class Mixed(Workload):
    """Gets, puts and deletes of random keys.

    Args:
        reads: The share of gets, 0 to 1.
        deletes: The share of deletes; the rest are puts.
        keys: How many keys there are.
        distribution: "uniform", "zipf" or "sequential", see `Keys`.
        skew: Of "zipf".
        value_bytes: Size of each value.
        consistency: Of the gets.
        node: The only node that gets ask; None for any.
        fill: Whether every key is written once before the clock starts.
        prefix: What the keys begin with.
        **pace: As for `Workload`.

    Example:
        >>> workload = Mixed(rate=500, reads=0.9, distribution="zipf")
        >>> random = Random(1)
        >>> [workload.next_operation(random).kind for _ in range(3)]
        ['get', 'get', 'get']
    """

    def __init__(
        self,
        *,
        reads: float = 0.5,
        deletes: float = 0.0,
        keys: int = 1000,
        distribution: str = "uniform",
        skew: float = 0.99,
        value_bytes: int = 64,
        consistency: str = "linearizable",
        node: int | None = None,
        fill: bool = True,
        prefix: str = "key-",
        **pace: Any,
    ) -> None:
        super().__init__(**pace)
        number_of(reads, "reads", 0, 1)
        number_of(deletes, "deletes", 0, 1)
        if reads + deletes > 1:
            raise ValueError(
                "shares are 0 to 1 and together at most 1, "
                f"not reads={reads!r}, deletes={deletes!r}"
            )
        whole_of(value_bytes, "value_bytes", 0, 1 << 20)
        word_of(consistency, "consistency", CONSISTENCIES)
        if node is not None:
            whole_of(node, "node", 1, NODE_MAX)
        flag_of(fill, "fill")
        text_of(prefix, "prefix")
        whole_of(keys, "keys", 1, KEYS_MAX)
        self.reads = reads
        self.deletes = deletes
        self.value_bytes = value_bytes
        self.consistency = consistency
        self.node = node
        self.fill = fill
        self.skew = skew
        self.distribution = distribution
        self._count = keys
        self._prefix = prefix
        self.keys = self._start_keys()

    def _start_keys(self) -> Keys:
        names = [f"{self._prefix}{number}" for number in range(self._count)]
        return Keys(names, self.distribution, self.skew)

    def begin(self) -> None:
        """Lets a sequence of keys begin anew.

        Example:
            >>> Mixed(distribution="sequential").begin()
        """
        self.keys.begin()

    def make_value(self, random: Random) -> Any:
        """Returns what is put.

        Args:
            random: Where chance comes from.

        Example:
            >>> len(Mixed(value_bytes=8).make_value(Random(1)))
            8
        """
        return random.randbytes(self.value_bytes)

    def next_operation(self, random: Random) -> Operation:
        """Returns a get, put or delete of a random key.

        Args:
            random: Where chance comes from.

        Example:
            >>> Mixed(reads=1).next_operation(Random(1)).kind
            'get'
        """
        share = random.random()
        key = self.keys.draw(random)
        if share < self.reads:
            return Operation("get", key, consistency=self.consistency, node=self.node)
        if share < self.reads + self.deletes:
            return Operation("delete", key)
        return Operation("put", key, self.make_value(random))

    def initial(self, random: Random) -> Iterator[Operation]:
        """Yields a put of every key, if `fill`.

        Args:
            random: Where chance comes from.

        Example:
            >>> len(list(Mixed(keys=5).initial(Random(1)))), len(list(Puts().initial(Random(1))))
            (5, 0)
        """
        if self.fill:
            for key in self.keys.names:
                yield Operation("put", key, self.make_value(random))

    def describe(self) -> dict[str, Any]:
        """Returns the settings, as JSON can hold them.

        Example:
            >>> Mixed(reads=0.9).describe()["reads"]
            0.9
        """
        return super().describe() | {
            "reads": self.reads,
            "deletes": self.deletes,
            "keys": len(self.keys.names),
            "distribution": self.distribution,
            "skew": self.skew if self.distribution == "zipf" else None,
            "value_bytes": self.value_bytes,
            "consistency": self.consistency,
            "node": self.node,
            "fill": self.fill,
        }


class Puts(Mixed):
    """Puts of random keys, nothing else.

    Args:
        **settings: As for `Mixed`, but for the shares.

    Example:
        >>> Puts(concurrency=4, value_bytes=100).next_operation(Random(1)).kind
        'put'
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"reads": 0.0, "fill": False, **settings})


class Phonebook(Mixed):
    """The phone book: random net ids, each with a phone number, as JSON.

    Args:
        people: How many there are.
        seed: From which the net ids are made; they are the same for the same seed.
        **settings: As for `Mixed`.

    Example:
        >>> operation = next(Phonebook(people=1).initial(Random(1)))
        >>> operation.key.endswith("_netid"), sorted(operation.value)
        (True, ['phone_number'])
    """

    def __init__(self, *, people: int = 500, seed: int = 1, **settings: Any) -> None:
        self._seed = whole_of(seed, "seed", 0, (1 << 64) - 1)
        whole_of(people, "people", 1, KEYS_MAX)
        super().__init__(**{"keys": people, "codec": "json", **settings})

    def _start_keys(self) -> Keys:
        random = Random(self._seed)
        numbers = random.sample(range(1_000_000, 10_000_000), self._count)
        return Keys([net_id(number) for number in numbers], self.distribution, self.skew)

    def make_value(self, random: Random) -> Any:
        """Returns a phone number, as it is stored.

        Args:
            random: Where chance comes from.

        Example:
            >>> Phonebook().make_value(Random(1))
            {'phone_number': '(337) 582-1033'}
        """
        return {"phone_number": phone_number(random)}


def net_id(number: int) -> str:
    """Returns a key of the phone book.

    Example:
        >>> net_id(5714580)
        '5714580_netid'
    """
    return f"{number:07}_netid"


def phone_number(random: Random) -> str:
    """Returns a random phone number.

    Args:
        random: Where chance comes from.

    Example:
        >>> len(phone_number(Random(1)))
        14
    """
    area, office, line = (
        random.randrange(200, 1000),
        random.randrange(1000),
        random.randrange(10000),
    )
    return f"({area:03}) {office:03}-{line:04}"
