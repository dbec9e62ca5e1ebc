"""Every public class, method and function has an example in its docstring, which holds."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import io
import pkgutil
import types
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

import paxledger
from paxledger import aio

# The public modules whose examples need no more than a client: name of the module -> what its
# examples may use besides its own names.
MODULES = [
    "paxledger.aio",
    "paxledger.client",
    "paxledger.codecs",
    "paxledger.entry",
    "paxledger.future",
    "paxledger.pipeline",
    "paxledger.programs",
]


def documented(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """The public classes and functions that the module defines, and the classes' public members."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for member_name, member in vars(thing).items():
                if member_name.startswith("_"):
                    continue
                if isinstance(member, property | staticmethod | classmethod | types.FunctionType):
                    yield f"{name}.{member_name}", member


NAMES = [
    (module, name, thing)
    for module in MODULES
    for name, thing in documented(importlib.import_module(module))
]
# Codec is a protocol: its example shows both methods.
WITHOUT_EXAMPLE = {"name_of", "Codec.encode", "Codec.decode", "Waited", "connect_nodes"}


def run_example(example: doctest.Example, names: dict[str, Any], loop: Any) -> str:
    """What the example prints; it may use `await`, as a notebook may."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(example.source, "<example>", "single", flags, dont_inherit=True)
    printed = io.StringIO()
    with redirect_stdout(printed):
        result = eval(code, names)
        if inspect.iscoroutine(result):
            loop.run_until_complete(result)
    return printed.getvalue()


def run_docstring(docstring: str, names: dict[str, Any], loop: Any) -> int:
    """Runs its examples and demands what they show; gives how many there were."""
    checker = doctest.OutputChecker()
    examples = doctest.DocTestParser().get_examples(docstring)
    for example in examples:
        printed = run_example(example, names, loop)
        assert checker.check_output(example.want, printed, doctest.ELLIPSIS), (
            f"{example.source.strip()}\nprints {printed!r}\nbut shows {example.want!r}"
        )
    return len(examples)


@pytest.mark.parametrize(("module", "name", "thing"), NAMES, ids=[f"{m}.{n}" for m, n, _ in NAMES])
def test_the_example_holds(module: str, name: str, thing: Any, db: paxledger.Client) -> None:
    docstring = inspect.getdoc(thing)
    assert docstring, f"{module}.{name} has no docstring"
    loop = asyncio.new_event_loop()
    adb = aio.connect(db.endpoints)
    own = vars(importlib.import_module(module))
    names = {**own, "paxledger": paxledger, "asyncio": asyncio, "db": db, "adb": adb}
    try:
        count = run_docstring(docstring, names, loop)
    finally:
        loop.run_until_complete(adb.close())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    assert count > 0 or name in WITHOUT_EXAMPLE, f"{module}.{name} has no example"


def test_every_public_module_is_looked_at_here_or_has_its_own_tests() -> None:
    public = {
        f"paxledger.{module.name}"
        for module in pkgutil.iter_modules(paxledger.__path__)
        if not module.name.startswith("_")
    }
    elsewhere = {"paxledger.audit", "paxledger.errors"}
    assert set(MODULES) <= public
    assert public - set(MODULES) - elsewhere == ELSEWHERE & public


# Modules whose examples need more than a client.
ELSEWHERE: set[str] = set()


def test_an_example_that_does_not_hold_is_found() -> None:
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(AssertionError, match="shows '3"):
            run_docstring(">>> 1 + 1\n3\n", {}, loop)
        assert run_docstring(">>> await asyncio.sleep(0, 5)\n5\n", {"asyncio": asyncio}, loop) == 1
    finally:
        loop.close()
