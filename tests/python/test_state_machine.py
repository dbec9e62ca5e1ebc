"""Random operations and faults on a real cluster, against a dictionary.

PAXLEDGER_EXAMPLES=200 plays more of them; by default they are few, and always the same.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from paxledger.client import Client
from paxledger.cluster import Cluster
from paxledger.errors import CompareFailed, NoQuorum, Overloaded, Timeout
from waiting import scaled

EXAMPLES = int(os.environ.get("PAXLEDGER_EXAMPLES", "8"))
KEYS = st.sampled_from(["a", "b", "c"])
NODES = st.sampled_from([1, 2, 3])
# An operation that has no majority ends with one of these.
NO_EFFECT = (NoQuorum, Overloaded)


@dataclass
class Known:
    """What may stand under a key: None is "nothing".

    A write that timed out may happen at any later time, so what it writes stays possible.
    """

    value: str | None = None
    pending: set[str | None] = field(default_factory=set)
    ever: set[str | None] = field(default_factory=lambda: {None})
    revision: int | None = 0  # None: not known

    @property
    def possible(self) -> set[str | None]:
        return {self.value} | self.pending

    def wrote(self, value: str | None, revision: int | None) -> None:
        self.value = value
        self.revision = revision if not self.pending else None
        self.ever.add(value)

    def may_have_written(self, value: str | None) -> None:
        self.pending.add(value)
        self.ever.add(value)
        self.revision = None

    def read(self, value: str | None) -> None:
        assert value in self.possible, f"read {value!r}, possible: {self.possible}"
        self.value = value


class Machine(RuleBasedStateMachine):
    """One example: keys of its own on the cluster that all examples share."""

    cluster: Cluster
    db: Client
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.prefix = f"example-{next(self.numbers)}/"
        self.known: dict[str, Known] = {}
        self.values = itertools.count()
        self.down: set[int] = set()

    def key(self, key: str) -> str:
        self.known.setdefault(key, Known())
        return self.prefix + key

    def fresh(self) -> str:
        return f"value {next(self.values)}"

    @property
    def has_majority(self) -> bool:
        return len(self.down) <= 1

    @property
    def deadline(self) -> float:
        """Long enough for an election where there can be one."""
        return scaled(5.0) if self.has_majority else 0.3

    # ---- operations

    @rule(key=KEYS)
    def put(self, key: str) -> None:
        value = self.fresh()
        try:
            revision = self.db.put(self.key(key), value, deadline=self.deadline)
        except Timeout:
            self.known[key].may_have_written(value)
        except NO_EFFECT:
            assert not self.has_majority, "a majority is there, but the put found none"
        else:
            self.known[key].wrote(value, revision)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        name = self.key(key)
        known = self.known[key]
        try:
            was_there = self.db.delete(name, deadline=self.deadline)
        except Timeout:
            known.may_have_written(None)
        except NO_EFFECT:
            assert not self.has_majority, "a majority is there, but the delete found none"
        else:
            assert any((value is not None) == was_there for value in known.possible), was_there
            known.wrote(None, 0)

    @rule(key=KEYS, right=st.booleans())
    def compare_and_put(self, key: str, right: bool) -> None:
        name = self.key(key)
        known = self.known[key]
        if known.revision is None:
            return
        value = self.fresh()
        expected = known.revision if right else known.revision + 1_000_000
        try:
            revision = self.db.compare_and_put(name, value, expected, deadline=self.deadline)
        except CompareFailed as failure:
            assert not right, "the key has the expected revision, but the comparison failed"
            assert failure.revision == known.revision
        except Timeout:
            if right:
                known.may_have_written(value)
        except NO_EFFECT:
            assert not self.has_majority
        else:
            assert right, "the key does not have the expected revision, but it was changed"
            known.wrote(value, revision)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        name = self.key(key)
        try:
            found = self.db.get(name, deadline=self.deadline)
        except (*NO_EFFECT, Timeout):
            assert not self.has_majority, "a majority is there, but the read found none"
        else:
            self.known[key].read(found)

    @rule(key=KEYS, node=NODES)
    def get_local(self, key: str, node: int) -> None:
        name = self.key(key)
        if self.cluster.node(node).state != "running":
            return
        found = self.cluster.kv(node, self.prefix, codec="str").get(name)
        assert found in self.known[key].ever, f"nobody ever wrote {found!r}"

    # ---- faults

    @precondition(lambda self: len(self.down) < 2)
    @rule(node=NODES)
    def kill(self, node: int) -> None:
        if self.cluster.node(node).state == "running":
            self.cluster.node(node).kill()
            self.down.add(node)

    @precondition(lambda self: len(self.down) < 2)
    @rule(node=NODES)
    def pause(self, node: int) -> None:
        if self.cluster.node(node).state == "running":
            self.cluster.node(node).pause()
            self.down.add(node)

    @rule(node=NODES)
    def fix(self, node: int) -> None:
        self.cluster.fix_node(node)
        if not any(node in link for link in self.cluster.link_faults()):
            self.down.discard(node)

    @precondition(lambda self: not self.down)
    @rule(node=NODES)
    def restart(self, node: int) -> None:
        self.cluster.node(node).restart()

    @precondition(lambda self: len(self.down) < 2)
    @rule(node=NODES, one_way=st.sampled_from([None, "in", "out"]))
    def isolate(self, node: int, one_way: str | None) -> None:
        self.cluster.isolate(node, one_way=one_way)
        self.down.add(node)

    @precondition(lambda self: not self.down)
    @rule(node=NODES)
    def partition(self, node: int) -> None:
        self.cluster.partition([node])
        self.down.add(node)

    @rule()
    def heal(self) -> None:
        self.cluster.heal()
        self.cluster.start()
        self.down.clear()

    @invariant()
    def two_that_lead_do_so_with_different_ballots(self) -> None:
        ballots = [each["ballot"] for each in self.cluster.status() if each["role"] == "leader"]
        assert len(set(ballots)) == len(ballots), ballots

    def teardown(self) -> None:
        self.heal()
        assert self.cluster.in_sync(timeout=scaled(15)), "the healed nodes have different chains"
        for key, known in self.known.items():
            known.read(self.db.get(self.prefix + key))
        found = {self.prefix + key: known.value for key, known in self.known.items()}
        there = {key: value for key, value in found.items() if value is not None}
        # They have the same chain, so they have the same keys.
        for node in self.cluster.ids:
            assert self.cluster.kv(node, self.prefix, codec="str") == there
        assert self.cluster.compare().first_difference is None


@pytest.fixture
def machine() -> Iterator[type[Machine]]:
    with Cluster.local(3) as cluster, cluster.client(codec="str") as db:
        yield type("Example", (Machine,), {"cluster": cluster, "db": db})


@pytest.mark.timeout(60 + 20 * EXAMPLES)
def test_the_cluster_is_a_dictionary_whatever_befalls_it(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            derandomize="PAXLEDGER_EXAMPLES" not in os.environ,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
