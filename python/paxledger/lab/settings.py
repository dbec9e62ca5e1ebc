"""What a setting of a workload or an experiment may be; the errors name it, and what was given."""

from __future__ import annotations

import math


def number_of(
    value: object, name: str, low: float, high: float, unit: str = "", *, above: bool = False
) -> float:
    """Returns a finite number within bounds.

    Args:
        value: What was given.
        name: The argument, as the caller writes it.
        low: The least that it may be.
        high: The most that it may be.
        unit: Such as "seconds".
        above: Whether it must be more than `low`.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of its bounds, or no finite number.
    """
    expected = f"a number above {low:,g} and at most" if above else f"a number from {low:,g} to"
    expected = f"{expected} {high:,g} {unit}".rstrip()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is {expected}, not {value!r}")
    if not math.isfinite(value) or not low <= value <= high or (above and value == low):
        raise ValueError(f"{name} is {expected}, not {value!r}")
    return float(value)


def whole_of(value: object, name: str, low: int, high: int) -> int:
    """Returns a whole number within bounds, named in the errors as in `number_of`.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is out of its bounds.
    """
    expected = f"a whole number from {low:,} to {high:,}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {expected}, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} is {expected}, not {value!r}")
    return value


def word_of(value: object, name: str, words: tuple[str, ...]) -> str:
    """Returns one of some words.

    Raises:
        TypeError: It is no text.
        ValueError: It is another word.
    """
    if isinstance(value, str) and value in words:
        return value
    expected = ", ".join(f'"{word}"' for word in words)
    failure = ValueError if isinstance(value, str) else TypeError
    raise failure(f"{name} is one of {expected}, not {value!r}")


def text_of(value: object, name: str) -> str:
    """Returns a text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {value!r}")
    return value


def flag_of(value: object, name: str) -> bool:
    """Returns True or False. Raises TypeError for anything else."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}")
    return value
