"""What an experiment has found: tables, a summary, pictures; saved to files and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from paxledger.lab import files, plots
from paxledger.lab.driver import ANSWERS
from paxledger.lab.moments import WORDS
from paxledger.lab.records import Records, check_metadata, leaders_of, metadata_of, table_of
from paxledger.lab.schedule import Schedule, Step
from paxledger.lab.summary import Summary
from paxledger.lab.tables import conform
from paxledger.lab.workload import WRITES

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KILLS = ("kill", "fail_node")


class Result:
    """Everything that happened in an experiment.

    All times are seconds since the workload began.

    Attributes:
        operations: A row for each operation: `start` (when it was meant to begin), `begun` (when it
            did), `end`, `latency` (end - start), `workload`, `kind`, `key`, `outcome`, `revision`
            (0: none), `node` (the only one that was asked; 0: any). The outcome is "ok",
            "not_found", "compare_failed", the code of an error such as "no_quorum" or "timeout",
            "unknown" for a write without an answer, which may have happened, or "not_begun".
        faults: A row for each action of the schedule: `planned`, `start`, `end`, `cleared` (when it
            was mended again, if it was), `action`, `target` (as the schedule names it), `nodes`
            (who that was), `text`, `error` (empty if it was carried out), `breaks`.
        leaders: A row for each time in which a node said without a break that it leads: `start`,
            `end`, `node`, `ballot`. As exact as nodes are asked (`interval`).
        heights: A row for each time that a node was asked: `time`, `node`, `height`, `role`
            ("leader", "follower", "candidate", "unreachable"), `leader` (0: none known), `ballot`,
            `ready`.
        metadata: Seed, workloads, schedule, configuration, versions.

    Example:
        >>> len(result.operations) > 0, result.metadata["seed"]
        (True, 1)
    """

    def __init__(
        self,
        operations: pd.DataFrame,
        faults: pd.DataFrame,
        leaders: pd.DataFrame,
        heights: pd.DataFrame,
        metadata: dict[str, Any],
    ) -> None:
        self.operations = conform("operations", operations)
        self.faults = conform("faults", faults)
        self.leaders = conform("leaders", leaders)
        self.heights = conform("heights", heights)
        check_metadata(metadata)
        self.metadata = metadata

    @classmethod
    def from_records(
        cls,
        *,
        duration: float,
        operations: Records = (),
        faults: Records = (),
        heights: Records = (),
        leaders: Records | None = None,
        schedule: Schedule | Iterable[Schedule | Step] | None = None,
        **metadata: Any,
    ) -> Result:
        """Returns a result of what something else than an experiment has recorded.

        Each table is a list of mappings, a mapping of columns, or a data frame. The page
        docs/reference/result-format.md has every column with its type, and says which may be left
        out. Nothing is started and no cluster is needed.

        Args:
            duration: Seconds in which operations began.
            operations: At least `start`, `end`, `kind`, `key`, `outcome`.
            faults: At least `start`, `action`; `breaks` and `cleared` for what is to be shaded.
            heights: At least `time`, `node`, `height`, `role`.
            leaders: At least `start`, `end`, `node`; None: as it follows from `heights`.
            schedule: What was meant to happen.
            **metadata: `seed`, `interval`, `configuration`, `cluster`, `nodes`, `workloads`,
                `notes`, `messages`, `versions`, `begun_at`, and whatever else JSON can hold.

        Raises:
            TypeError: A table or a member of the metadata is of the wrong type.
            ValueError: A column is missing or unknown, or a value cannot be; the message names the
                table, the row and the column.

        Example:
            >>> put = {"start": 0.0, "end": 0.002, "kind": "put", "key": "k", "outcome": "ok"}
            >>> Result.from_records(duration=1.0, operations=[put], seed=7)
            <paxledger.lab.Result: 1 s, 1 operations, 0 actions, seed 7>
        """
        steps = Schedule.of(schedule)
        plan = {"schedule": steps.to_list(), "schedule_text": repr(steps)}
        complete = metadata_of({"duration": duration, **plan, **metadata})
        table = table_of("heights", heights)
        if leaders is None:
            found = leaders_of(table, float(complete["interval"]))
        else:
            found = table_of("leaders", leaders)
        return cls(
            table_of("operations", operations), table_of("faults", faults), found, table, complete
        )

    @property
    def duration(self) -> float:
        """Seconds in which operations began.

        Example:
            >>> result.duration
            1.5
        """
        return float(self.metadata["duration"])

    @property
    def seed(self) -> int:
        """The seed; the same one gives the same sequence of operations and choices.

        Example:
            >>> result.seed
            1
        """
        return int(self.metadata["seed"])

    @property
    def schedule(self) -> Schedule:
        """The schedule that was played.

        Example:
            >>> result.schedule
            at(0.5).kill('leader', lasting=0.4)
        """
        return Schedule.from_list(self.metadata["schedule"])

    # --- numbers

    def answered_mask(self) -> pd.Series[bool]:
        """Returns for each operation whether it got an answer, also "not found".

        Example:
            >>> bool(result.answered_mask().any())
            True
        """
        return self.operations["outcome"].isin(ANSWERS)

    def acknowledged_writes(self) -> pd.DataFrame:
        """Returns the writes that were acknowledged, in the order of their acknowledgements.

        Example:
            >>> bool((result.acknowledged_writes()["outcome"] == "ok").all())
            True
        """
        table = self.operations
        good = table["kind"].isin(WRITES) & (table["outcome"] == "ok")
        return table[good].sort_values("end", kind="stable")

    def longest_gap(self) -> tuple[float | None, float]:
        """Returns the longest time without an acknowledged write, and when it began.

        From the begin of the experiment to its end. None if nothing was to be written.

        Example:
            >>> gap, begin = result.longest_gap()
            >>> 0 < gap <= 1.5
            True
        """
        if not self.operations["kind"].isin(WRITES).any():
            return None, 0.0
        ends = self.acknowledged_writes()["end"].to_numpy()
        times = np.concatenate([[0.0], ends[ends < self.duration], [self.duration]])
        gaps = np.diff(times)
        longest = int(gaps.argmax())
        return float(gaps[longest]), float(times[longest])

    def gaps(self, actions: str | Sequence[str] = _KILLS) -> pd.DataFrame:
        """Returns how long each fault kept writes from being acknowledged.

        The gap is the time from when the fault was there to the acknowledgement of the first write
        that began after it and was acknowledged. (A write that began before may be acknowledged
        after it, because its answer was already on its way.)

        Args:
            actions: Which actions of the schedule; by default the kills.

        Returns:
            A row for each: `time`, `nodes`, `text`, `gap` (NaN if nothing was acknowledged any
            more), `leader` (the one that was seen next) and `elected` (seconds until then).

        Raises:
            ValueError: There is no such action in the vocabulary of schedules.

        Example:
            >>> list(result.gaps().columns)
            ['time', 'nodes', 'text', 'gap', 'leader', 'elected']
        """
        wanted = [actions] if isinstance(actions, str) else list(actions)
        known = {*WORDS, *self.faults["action"]}
        for word in wanted:
            if word not in known:
                raise ValueError(f"actions names {word!r}; there are {', '.join(sorted(known))}")
        faults = self.faults[self.faults["action"].isin(wanted) & (self.faults["error"] == "")]
        writes = self.acknowledged_writes()
        begun, end = writes["begun"].to_numpy(), writes["end"].to_numpy()
        rows = []
        for fault in faults.itertuples():
            time = float(str(fault.end))
            later = end[begun >= time]
            following = self.leaders[self.leaders["start"] > time]
            found = following.iloc[0] if len(following) else None
            rows.append(
                {
                    "time": time,
                    "nodes": fault.nodes,
                    "text": fault.text,
                    "gap": float(later.min()) - time if later.size else float("nan"),
                    "leader": 0 if found is None else int(found["node"]),
                    "elected": float("nan") if found is None else float(found["start"]) - time,
                }
            )
        return pd.DataFrame(rows, columns=["time", "nodes", "text", "gap", "leader", "elected"])

    def summary(self) -> Summary:
        """Returns throughput, latencies, the longest gap and the errors.

        Example:
            >>> result.summary().operations == len(result.operations)
            True
        """
        return Summary.of(self)

    # --- files

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Saves everything.

        Args:
            path: A name that ends with `.jsonl` is a file of JSON lines; one that ends with
                `.result`, or that has no suffix, is a folder with metadata.json and a Parquet file
                for each table. Other suffixes are refused.
            overwrite: Whether an earlier result there may be replaced.

        Returns:
            The path.

        Raises:
            FileExistsError: There is something already.
            FileNotFoundError: The folder in which it is to be is missing.
            ValueError: The suffix is not known.

        Example:
            >>> path = result.save("kill.result", overwrite=True)
            >>> len(Result.load(path).operations) == len(result.operations)
            True
        """
        tables = {
            "operations": self.operations,
            "faults": self.faults,
            "leaders": self.leaders,
            "heights": self.heights,
        }
        return files.save(Path(path), self.metadata, tables, overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Result:
        """Returns what `save` has saved.

        Raises:
            FileNotFoundError: There is nothing.
            ValueError: It is no result, a damaged one, or one of another version; the message
                names the file, and the line where it has lines.

        Example:
            >>> path = result.save("kill.jsonl", overwrite=True)
            >>> Result.load(path).seed
            1
        """
        metadata, tables = files.load(Path(path))
        return cls(metadata=metadata, **tables)

    # --- pictures

    def plot(self, **options: Any) -> Figure:
        """Draws throughput, latency, leaders and heights over time, with the faults marked.

        Args:
            **options: `bin`, seconds that are counted together; `title`; `figsize` in inches.

        Example:
            >>> figure = result.plot(title="A killed leader")
        """
        return plots.plot_all(self, **options)

    def plot_throughput(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draws answers per second over time.

        Args:
            ax: Where to draw; None for a figure of its own.
            **options: `bin`, seconds that are counted together.

        Example:
            >>> axes = result.plot_throughput()
        """
        return plots.plot_one(self, plots.draw_throughput, ax, **options)

    def plot_latency(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draws the latency over time.

        Args:
            ax: As for `plot_throughput`.
            **options: As for `plot_throughput`.

        Example:
            >>> axes = result.plot_latency()
        """
        return plots.plot_one(self, plots.draw_latency, ax, **options)

    def plot_leaders(self, ax: Axes | None = None) -> Axes:
        """Draws which node was what over time.

        Args:
            ax: As for `plot_throughput`.

        Example:
            >>> axes = result.plot_leaders()
        """
        return plots.plot_one(self, plots.draw_leaders, ax)

    def plot_heights(self, ax: Axes | None = None) -> Axes:
        """Draws the height of each node's chain over time.

        Args:
            ax: As for `plot_throughput`.

        Example:
            >>> axes = result.plot_heights()
        """
        return plots.plot_one(self, plots.draw_heights, ax)

    def plot_gaps(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draws how the gaps after the kills (`gaps`) are distributed.

        Args:
            ax: As for `plot_throughput`.
            **options: `actions`, as for `gaps`.

        Example:
            >>> axes = result.plot_gaps()
        """
        return plots.draw_gaps(self, ax, **options)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return (
            f"<paxledger.lab.Result: {self.duration:g} s, {len(self.operations):,} operations, "
            f"{len(self.faults)} actions, seed {self.seed}>"
        )

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
