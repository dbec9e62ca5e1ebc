"""Every public name of the laboratory has an example in its docstring, which holds."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import matplotlib
import pytest
from lab_cluster import _three, lab_cluster

from paxledger import lab
from paxledger.cluster import Cluster
from paxledger.lab import Experiment, Mixed, Result, at

matplotlib.use("Agg")

__all__ = ["_three", "lab_cluster"]

MODULES = [
    importlib.import_module(f"{lab.__name__}.{module.name}")
    for module in pkgutil.iter_modules(lab.__path__)
]


def public(thing: Any) -> Iterator[tuple[str, Any]]:
    """A public class or function, and the public members of the class."""
    yield thing.__name__, thing
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        for name, member in vars(thing).items():
            kinds = (property, staticmethod, classmethod, types.FunctionType)
            if not name.startswith("_") and isinstance(member, kinds):
                yield f"{thing.__name__}.{name}", member


NAMES = [each for name in lab.__all__ for each in public(getattr(lab, name))]
# Base class with no use of its own; a step is made by at() and every().
WITHOUT_EXAMPLE = {
    *("ExperimentError", "ExperimentWarning", "Moment", "Step", "Step.nodes", "Step.to_dict"),
    *("Summary", "Summary.of"),
}


@pytest.fixture(scope="session")
def found(_three: Cluster) -> Result:
    """What the examples call `result`."""
    schedule = at(0.5).kill("leader", lasting=0.4)
    experiment = Experiment(_three, Mixed(rate=200), schedule, duration=1.5, seed=1)
    return experiment.run(progress=False)


def run(name: str, thing: Any, names: dict[str, Any]) -> int:
    """Runs the examples of a docstring and demands what they show; gives how many there were."""
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(thing) or "", names, name, None, None)
    runner = doctest.DebugRunner()
    runner.run(test)
    return len(test.examples)


@pytest.mark.parametrize(("name", "thing"), NAMES, ids=[name for name, _ in NAMES])
def test_the_example_holds(
    name: str,
    thing: Any,
    found: Result,
    lab_cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert inspect.getdoc(thing), f"{name} has no docstring"
    monkeypatch.chdir(tmp_path)
    names = {**vars(lab), "cluster": lab_cluster, "result": found, "Random": Random}
    count = run(name, thing, names)
    matplotlib.pyplot.close("all")
    assert count > 0 or name in WITHOUT_EXAMPLE, f"{name} has no example"


def test_examples_of_inner_modules_hold_too() -> None:
    count = 0
    for module in MODULES:
        for name, thing in vars(module).items():
            own = getattr(thing, "__module__", None) == module.__name__
            if own and name not in lab.__all__ and inspect.isroutine(thing):
                count += run(name, thing, {**vars(lab), **vars(module), "Random": Random})
    assert count > 3


def test_an_example_that_does_not_hold_is_found() -> None:
    def wrong() -> None:
        """Says something false.

        >>> 1 + 1
        3
        """

    with pytest.raises(doctest.DocTestFailure):
        run("wrong", wrong, {})
