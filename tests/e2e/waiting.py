"""Waiting for conditions: a test says what must become true and by when, and never just sleeps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Builds with sanitizers are slower; PAXLEDGER_TIME_SCALE=5 gives every wait five times as long.
TIME_SCALE = float(os.environ.get("PAXLEDGER_TIME_SCALE", "1"))


def scaled(seconds: float) -> float:
    return seconds * TIME_SCALE


def wait_until(
    promise: str, condition: Callable[[], T | None], timeout: float = 15.0, interval: float = 0.02
) -> T:
    """The first true value that `condition` gives. Fails with `promise` if there is none in time.

    An AssertionError or OSError of the condition counts as "not yet", and is shown at the end.
    """
    deadline = time.monotonic() + scaled(timeout)
    last = "it was never true"
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f"the last value was {value!r}"
        except (AssertionError, OSError) as failure:
            last = f"the last try failed: {type(failure).__name__}: {failure}"
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {scaled(timeout):g} s: {promise} ({last})")
        time.sleep(interval)
