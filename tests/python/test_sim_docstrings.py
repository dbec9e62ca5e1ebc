"""Every public class, method and function of the simulator has an example, which holds."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pytest

from paxledger import sim
from paxledger.lab import at, every

MODULES = sorted(f"paxledger.sim.{module.name}" for module in pkgutil.iter_modules(sim.__path__))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def documented(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """What the module defines itself, and the public members of its classes."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for member_name, member in vars(thing).items():
                if not member_name.startswith("_") and isinstance(
                    member, property | staticmethod | classmethod | types.FunctionType
                ):
                    yield f"{name}.{member_name}", member


def chosen() -> Iterator[Any]:
    """All that has an example, or has to have one: what the package exports."""
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name, thing in documented(module):
            owner = name.partition(".")[0]
            public = getattr(module, owner) is getattr(sim, owner, None)
            if (public and name not in WITHOUT_EXAMPLE) or ">>> " in (inspect.getdoc(thing) or ""):
                yield pytest.param(module, name, thing, id=f"{module_name}.{name}")


# What the name of the class says, and what makes a plan out of settings.
WITHOUT_EXAMPLE = {"Event", "Timing.to_plan", "Network.to_plan", "Workload.to_plan"}


@pytest.mark.parametrize(("module", "name", "thing"), list(chosen()))
def test_an_example_holds(module: types.ModuleType, name: str, thing: Any) -> None:
    text = inspect.getdoc(thing) or ""
    examples = doctest.DocTestParser().get_examples(text)
    assert examples, f"{name} has no example"
    world = sim.World(nodes=3, seed=1)
    world.run(until=1.0)
    names = {**vars(module), **vars(sim), "world": world, "at": at, "every": every}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    found: list[str] = []
    runner.run(doctest.DocTest(examples, names, name, None, 0, text), out=found.append)
    plt.close("all")
    assert runner.failures == 0, "".join(found)
