"""How a schedule names nodes, and what it checks of what is written in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

Target = int | str
Group = Target | Sequence[Target]

ROLES = ("leader", "follower", "random")
REST = "rest"


def seconds_of(value: float, what: str, least: float = 0.0) -> float:
    """Returns a number of seconds; raises where it is none, or less than `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is a number of seconds, not {value!r}")
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"{what} is at least {least:g} seconds, not {value!r}")
    return float(value)


def target_of(node: Target, *further: str) -> Target:
    """Returns a node's id or role; raises where it is neither nor one of `further`."""
    if isinstance(node, str):
        if node in (*ROLES, *further):
            return node
        words = ", ".join(f'"{word}"' for word in (*ROLES, *further))
        raise ValueError(f"a node is an id or one of {words}, not {node!r}")
    if isinstance(node, bool) or not isinstance(node, int):
        raise TypeError(f'a node is an id (a whole number) or a word like "leader", not {node!r}')
    if node < 1:
        raise ValueError(f"a node's id is a whole number from 1 on, not {node}")
    return node


def pair_of(a: Target, b: Target) -> tuple[Target, Target]:
    """Returns the ends of a link; raises where they are the same node."""
    if isinstance(a, int) and a == b:
        raise ValueError(f"a link joins two nodes, not {a} and {a}")
    return target_of(a), target_of(b)


def group_of(group: Group) -> tuple[Target, ...]:
    """Returns the members of a group of a partition."""
    if not isinstance(group, (int, str, list, tuple, range, set, frozenset)):
        raise TypeError(
            f"a group of a partition is a node or a list of nodes, e.g. [1, 2], not {group!r}"
        )
    members = [group] if isinstance(group, (int, str)) else list(group)
    if not members:
        raise ValueError("a group of a partition is empty; expected nodes, e.g. [1, 2]")
    checked = tuple(target_of(member, REST) for member in members)
    if REST in checked and len(checked) > 1:
        raise ValueError('"rest" stands for a whole group, not within one')
    return checked
