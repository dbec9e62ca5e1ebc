"""What bench/growth.py found, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plot(run: dict[str, Any], path: Path) -> None:
    """Latency, processor time, memory and disk over time, and start-up over what is read."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    samples, starts = run["samples"], run["starts"]
    minutes = [one["at"] / 60 for one in samples]
    figure, axes = pyplot.subplots(2, 2, figsize=(12, 7), layout="constrained")
    (latency, processor), (memory, start) = axes
    for name in ("p50", "p99"):
        latency.plot(minutes, [one[name] for one in samples], label=name)
    latency.set_yscale("log")
    latency.set_ylabel("latency, ms")
    latency.legend()

    processor.plot(minutes, [one["cpu_us"] for one in samples], color="black")
    processor.set_ylim(bottom=0)
    processor.set_ylabel("processor time of all nodes, µs per write")

    for node in samples[0]["rss_mib"]:
        label = f"node {node}" + (", restarted" if node == run["restarted"] else "")
        memory.plot(minutes, [one["rss_mib"][node] for one in samples], label=label)
    memory.set_ylim(bottom=0)
    memory.set_ylabel("VmRSS, MiB")
    memory.legend(loc="center left")
    disk = memory.twinx()
    disk.plot(minutes, [one["disk_bytes"] / 1e9 for one in samples], color="grey", linestyle=":")
    disk.set_ylim(bottom=0)
    disk.set_ylabel("on disk, all nodes, GB (dotted)")
    for one in (latency, processor, memory):
        one.set_xlabel("minutes")

    gigabytes = [one["block_bytes"] / 1e9 for one in starts]
    start.plot(gigabytes, [one["ready_seconds"] for one in starts], "o-", label="until it serves")
    start.plot(
        gigabytes, [one["restored_ms"] / 1000 for one in starts], "s--", label="reads its blocks"
    )
    start.set_xlim(left=0)
    start.set_ylim(bottom=0)
    start.set_xlabel("GB of blocks at the start")
    start.set_ylabel("seconds")
    start.legend()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
