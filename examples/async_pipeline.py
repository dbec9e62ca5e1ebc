"""Many operations under way at once, with asyncio.

    python async_pipeline.py --operations 20000 --outstanding 256

One put at a time has to wait for the disks of a majority each time. With many under way the cluster
puts them into common blocks, and one write to the disk serves all of a block.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator

import paxledger


async def put_all(db: paxledger.aio.Client, numbers: Iterator[int]) -> None:
    """Puts one number after another; several of these share the numbers."""
    for number in numbers:
        await db.put(f"item/{number:06}", str(number))


async def measure(db: paxledger.aio.Client, operations: int, outstanding: int) -> float:
    """Puts so many items with so many under way at any time; gives puts per second."""
    numbers = iter(range(operations))
    begin = time.monotonic()
    await asyncio.gather(*(put_all(db, numbers) for _ in range(outstanding)))
    return operations / (time.monotonic() - begin)


async def run(cluster: paxledger.Cluster, operations: int, outstanding: int) -> None:
    """Compares one put at a time with many."""
    async with cluster.aclient() as db:
        alone = await measure(db, max(1, operations // 100), 1)
        print(f"one at a time:    {alone:8,.0f} puts/s")
        together = await measure(db, operations, outstanding)
        print(f"{outstanding:3} at a time:    {together:8,.0f} puts/s")

        count = len(await db.keys("item/"))
        if count != operations:
            raise SystemExit(f"{count} items are stored, not {operations}")
        height = (await db.entry("item/000000")).height
        print(f"{count:,} items are stored, in a chain of {height:,} blocks")

        # A deadline of its own for one call, and an answer that may be old but comes at once.
        value = await db.get("item/000000", b"not yet there", deadline=1.0, consistency="local")
        print(f"item/000000 is {value.decode()}")


def main() -> None:
    """Runs it on three nodes that exist as long as this program."""
    parser = argparse.ArgumentParser(description="Puts with many of them under way.")
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--outstanding", type=int, default=256)
    options = parser.parse_args()
    with paxledger.Cluster.local(nodes=3) as cluster:
        asyncio.run(run(cluster, options.operations, options.outstanding))


if __name__ == "__main__":
    main()
