"""Every public class, method and function has an example in its docstring, which holds."""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import traceback
import types
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

import paxledger
from paxledger import aio
from paxledger.cluster import Cluster

# All modules but those of the laboratory and of the simulator, which have tests of their own.
MODULES = sorted(
    f"paxledger.{module.name}"
    for module in pkgutil.iter_modules(paxledger.__path__)
    if module.name not in ("_core", "__main__", "lab", "sim")
)
# These need no example of their own.
PLAIN = {"paxledger.errors"}
WITHOUT_EXAMPLE = {"Codec.encode", "Codec.decode", "Waited"}


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


def is_public(module: types.ModuleType, name: str) -> bool:
    """Whether users are to use it: the package exports it, or it is what `aio` is for."""
    owner = name.partition(".")[0]
    return module is aio or getattr(module, owner) is getattr(paxledger, owner, None)


def chosen() -> Iterator[tuple[str, str, Any]]:
    """All that has an example, or has to have one."""
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name, thing in documented(module):
            needed = is_public(module, name) and name not in WITHOUT_EXAMPLE
            if (needed and module_name not in PLAIN) or ">>> " in (inspect.getdoc(thing) or ""):
                yield module_name, name, thing


NAMES = list(chosen())


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
        if example.options.get(doctest.SKIP):
            continue
        if example.exc_msg is not None:
            with pytest.raises(Exception) as caught:  # noqa: B017 - it is compared below
                run_example(example, names, loop)
            said = "".join(traceback.format_exception_only(caught.type, caught.value))
            assert checker.check_output(example.exc_msg, said, doctest.ELLIPSIS), said
            continue
        printed = run_example(example, names, loop)
        assert checker.check_output(example.want, printed, doctest.ELLIPSIS), (
            f"{example.source.strip()}\nprints {printed!r}\nbut shows {example.want!r}"
        )
    return len(examples)


@pytest.fixture(scope="module")
def lasting_cluster() -> Iterator[Cluster]:
    """What the examples call `cluster`."""
    with Cluster.local(nodes=3) as cluster:
        yield cluster


@pytest.mark.parametrize(("module", "name", "thing"), NAMES, ids=[f"{m}.{n}" for m, n, _ in NAMES])
def test_the_example_holds(
    module: str, name: str, thing: Any, request: pytest.FixtureRequest
) -> None:
    docstring = inspect.getdoc(thing)
    assert docstring, f"{module}.{name} has no docstring"
    own = vars(importlib.import_module(module))
    names = {**own, "paxledger": paxledger, "asyncio": asyncio}
    loop = asyncio.new_event_loop()
    closing = []
    try:
        if re.search(r"\bcluster\b", example_source(docstring)):
            cluster = request.getfixturevalue("lasting_cluster")
            cluster.start()
            cluster.heal()
            names |= {"cluster": cluster, "db": cluster.client()}
        else:
            names["db"] = request.getfixturevalue("db")
        names["adb"] = aio.connect(names["db"].endpoints)
        closing.append(names["adb"])
        count = run_docstring(docstring, names, loop)
    finally:
        for each in closing:
            loop.run_until_complete(each.close())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    assert count > 0, f"{module}.{name} has no example"


def example_source(docstring: str) -> str:
    """All that its examples execute."""
    return "".join(example.source for example in doctest.DocTestParser().get_examples(docstring))


def test_an_example_that_does_not_hold_is_found() -> None:
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(AssertionError, match="shows '3"):
            run_docstring(">>> 1 + 1\n3\n", {}, loop)
        assert run_docstring(">>> await asyncio.sleep(0, 5)\n5\n", {"asyncio": asyncio}, loop) == 1
    finally:
        loop.close()
