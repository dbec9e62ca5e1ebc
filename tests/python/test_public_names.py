"""What the public functions and classes take and give can be named by those who use them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import paxledger
from paxledger import aio, errors

EXPORTED = {name: getattr(paxledger, name) for name in paxledger.__all__}
PUBLIC = {
    **{f"paxledger.{name}": thing for name, thing in EXPORTED.items() if thing is not aio},
    **{f"paxledger.aio.{name}": getattr(aio, name) for name in aio.__all__},
}
# What the package hands to itself; users call Cluster.chain() instead of Chain.read().
WITHIN = {"Control"}
# All classes of the package, by the names that annotations call them.
DEFINED = {
    name: thing
    for module in pkgutil.iter_modules(paxledger.__path__)
    if module.name not in ("_core", "__main__", "lab")
    for name, thing in vars(importlib.import_module(f"paxledger.{module.name}")).items()
    if name == "Key" or (inspect.isclass(thing) and thing.__module__.startswith("paxledger."))
}


def annotations_of(thing: Any) -> Iterator[str]:
    """Those of a function, or of a class's public members and fields."""
    if inspect.isclass(thing):
        for base in thing.__mro__:
            if base.__module__.startswith("paxledger."):
                fields = base.__dict__.get("__annotations__", {})
                yield from (str(each) for name, each in fields.items() if name[0] != "_")
        for name, member in inspect.getmembers(thing):
            if not name.startswith("_"):
                yield from annotations_of(member)
    elif isinstance(thing, property):
        yield from annotations_of(thing.fget)
    elif inspect.isfunction(thing) or inspect.ismethod(thing):
        yield from map(str, thing.__annotations__.values())


@pytest.mark.parametrize("name", PUBLIC)
def test_every_type_of_a_signature_is_public(name: str) -> None:
    unknown = {
        word
        for annotation in annotations_of(PUBLIC[name])
        for word in re.findall(r"\b_*[A-Z]\w+", annotation)
        if word in DEFINED
        and word not in WITHIN
        and all(DEFINED[word] is not each for each in PUBLIC.values())
    }
    assert not unknown, f"{name} takes or gives what nobody can import: {sorted(unknown)}"


def test_all_names_are_there_once_and_sorted() -> None:
    for module in (paxledger, aio):
        assert sorted(set(module.__all__)) == module.__all__
        assert all(hasattr(module, name) for name in module.__all__)


def test_every_exception_can_be_imported() -> None:
    for name, thing in vars(errors).items():
        if inspect.isclass(thing) and issubclass(thing, errors.Error):
            assert EXPORTED[name] is thing
