"""A result in a few lines."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paxledger.lab.result import Result

# The n-th quantile says something of its own only where some value lies beyond it.
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
# Of fewer operations the summary says how many there were, since p99.9 is missing.
MANY = 1000


@dataclass(frozen=True)
class Summary:
    """What an experiment came to, in numbers; prints as text, and as a table in a notebook.

    Attributes:
        duration: Seconds.
        operations: How many were begun.
        answered: How many got an answer, also "not found".
        throughput: Answers per second.
        latency: For each kind the quantiles p50, p95, p99, p99.9 and max of the answered ones,
            in seconds. Between two values they are interpolated, so that of a few operations the
            high ones are little else than the maximum; the text leaves those out of which fewer
            than one operation lies beyond.
        counts: For each kind the number of the answered ones.
        gap: The longest time without an acknowledged write, in seconds; None if nothing was to be
            written.
        gap_from: When that began.
        errors: How many ended how, by kind: {("put", "timeout"): 3}.
        messages: The first message of each kind of error.
        leaders: How often a node was seen to begin to lead.
        faults: How many actions were carried out.
        failed: The actions that failed, with why.
        notes: What a reader must know, such as an end before the time.
    """

    duration: float
    operations: int
    answered: int
    throughput: float
    latency: dict[str, dict[str, float]]
    gap: float | None
    gap_from: float
    errors: dict[tuple[str, str], int]
    counts: dict[str, int] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    leaders: int = 0
    faults: int = 0
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: Result) -> Summary:
        """Returns the summary of a result."""
        table = result.operations
        answered = table[result.answered_mask()]
        latency = {
            str(kind): {name: float(rows["latency"].quantile(at)) for name, at in QUANTILES.items()}
            for kind, rows in answered.groupby("kind", observed=True)
        }
        wrong = table[~result.answered_mask()]
        errors = Counter(zip(wrong["kind"].astype(str), wrong["outcome"].astype(str), strict=True))
        gap, gap_from = result.longest_gap()
        faults = result.faults
        failed = tuple(
            f"{row.text} at {row.start:.2f} s: {row.error}"
            for row in faults[faults["error"] != ""].itertuples()
        )
        # An answer that came after the time is up belongs to what was begun within it.
        within = int((answered["end"] <= result.duration).sum())
        return cls(
            duration=result.duration,
            operations=len(table),
            answered=len(answered),
            throughput=within / result.duration if result.duration else 0.0,
            latency=latency,
            gap=gap,
            gap_from=gap_from,
            errors=dict(sorted(errors.items())),
            counts={kind: int((answered["kind"] == kind).sum()) for kind in latency},
            messages=dict(result.metadata.get("messages", {})),
            leaders=len(result.leaders),
            faults=int((faults["error"] == "").sum()),
            failed=failed,
            notes=tuple(result.metadata.get("notes", ())),
        )

    def rows(self) -> list[tuple[str, str]]:
        """Returns it as pairs of a name and a text.

        Example:
            >>> result.summary().rows()[0]
            ('duration', '1.5 s')
        """
        rows = [
            ("duration", f"{self.duration:.1f} s"),
            ("operations", f"{self.operations:,}, of which {self.answered:,} were answered"),
            ("throughput", f"{_rate(self.throughput)} answers per second"),
        ]
        for kind, found in self.latency.items():
            count = self.counts[kind]
            line = ", ".join(
                f"{name} {_ms(value)}"
                for name, value in found.items()
                if name in ("p50", "max") or count * (1 - QUANTILES[name]) >= 1 - 1e-9
            )
            if count < MANY:
                line += f" (of {count})"
            rows.append((f"latency of {kind}", line))
        if self.gap is not None:
            when = f", from {self.gap_from:.2f} s on"
            rows.append(("longest time without an acknowledged write", _ms(self.gap) + when))
        for (kind, how), count in self.errors.items():
            message = self.messages.get(how, "")
            rows.append((f"{kind}: {how}", f"{count:,}" + (f" ({message})" if message else "")))
        rows.append(("leaders seen", str(self.leaders)))
        rows.append(("actions carried out", str(self.faults)))
        rows += [("FAILED ACTION", line) for line in self.failed]
        rows += [("NOTE", line) for line in self.notes]
        return rows

    def __str__(self) -> str:
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)

    def _repr_html_(self) -> str:
        lines = []
        for name, text in self.rows():
            loud = ' style="color:#b00020;font-weight:bold"' if name.isupper() else ""
            lines.append(
                f'<tr{loud}><th style="text-align:left">{html.escape(name)}</th>'
                f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            )
        return f"<table>{''.join(lines)}</table>"

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON can hold it.

        Example:
            >>> result.summary().to_dict()["duration"]
            1.5
        """
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["errors"] = {f"{kind} {how}": count for (kind, how), count in self.errors.items()}
        return plain


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 or not rate else f"{rate:.3g}"


def _ms(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:,.0f} ms" if ms >= 100 else f"{ms:.3g} ms"
