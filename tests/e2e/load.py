"""Writers that never stop, and remember what was acknowledged to them."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from cluster import Cluster, Node
from plain_client import COMPARE_AND_PUT, LOCAL, OK, PUT, Pipeline, Reply
from waiting import scaled, wait_until

_LOADS = itertools.count(1)


@dataclasses.dataclass
class Promise:
    """What the cluster has acknowledged, and so may never forget."""

    values: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    changes: int = 0  # of the key-value map: each acknowledged write is one


class Writer(threading.Thread):
    """One session with a window of writes: each key once, and a counter by compare_and_put.

    The counter shows a write that was applied twice: its second application would not find the
    revision that it expects.
    """

    def __init__(self, name: str, endpoints: Sequence[str], window: int) -> None:
        super().__init__(name=name, daemon=True)
        self.promise = Promise()
        self.failure: BaseException | None = None
        self.stopping = threading.Event()
        self._endpoints = endpoints
        self._window = window
        self._puts: dict[int, tuple[bytes, bytes]] = {}
        self._counter_key = f"{name}/counter".encode()
        self._counter = 0
        self._counter_revision = 0
        self._counting: int | None = None  # the sequence of the compare_and_put under way

    def run(self) -> None:
        pipeline = Pipeline(self._endpoints)
        try:
            pipeline.open()
            self._write(pipeline)
        except BaseException as failure:
            self.failure = failure
        finally:
            pipeline.close()

    def _write(self, pipeline: Pipeline) -> None:
        count = 0
        drain_until = float("inf")
        while not self.stopping.is_set() or pipeline.under_way:
            if self.stopping.is_set():
                drain_until = min(drain_until, time.monotonic() + scaled(30))
                assert time.monotonic() < drain_until, f"{pipeline.under_way} never answered"
            while not self.stopping.is_set() and pipeline.under_way < self._window:
                if self._counting is None:
                    value = str(self._counter + 1).encode()
                    self._counting = pipeline.submit(
                        COMPARE_AND_PUT, self._counter_key, value, self._counter_revision
                    )
                    continue
                count += 1
                key, value = f"{self.name}/{count:06}".encode(), f"{self.name} {count}".encode()
                self._puts[pipeline.submit(PUT, key, value)] = (key, value)
            for sequence, reply in pipeline.poll(0.02):
                self._take(sequence, reply)

    def _take(self, sequence: int, reply: Reply) -> None:
        assert reply.code == OK, f"{self.name}, command {sequence}: {reply}"
        if sequence == self._counting:
            self._counting = None
            self._counter += 1
            self._counter_revision = reply.revision
            self.promise.values[self._counter_key] = str(self._counter).encode()
        else:
            key, value = self._puts.pop(sequence)
            self.promise.values[key] = value
        self.promise.changes += 1


class Load:
    """Writers under way as long as the `with` block runs; then `promise` says what counts."""

    def __init__(
        self,
        cluster: Cluster,
        writers: int = 3,
        window: int = 16,
        through: Sequence[Node] | None = None,
    ) -> None:
        endpoints = [node.endpoint for node in through] if through else cluster.endpoints
        self._before = revision_of(cluster)
        load = next(_LOADS)
        self._writers = [
            Writer(f"load{load}.{number}", endpoints, window) for number in range(writers)
        ]
        self.promise = Promise()

    def __enter__(self) -> Load:
        for writer in self._writers:
            writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers:
            writer.stopping.set()
        for writer in self._writers:
            writer.join(scaled(45))
            if failure is None and writer.failure is not None:
                raise writer.failure
            self.promise.values.update(writer.promise.values)
            self.promise.changes += writer.promise.changes
        self.promise.changes += self._before

    @property
    def acknowledged(self) -> int:
        return sum(writer.promise.changes for writer in self._writers)

    def wait_progress(self, more: int = 100, timeout: float = 20.0) -> None:
        """Waits until so many further writes were acknowledged."""
        goal = self.acknowledged + more

        def enough() -> bool:
            for writer in self._writers:
                if writer.failure is not None:
                    raise RuntimeError("a writer failed") from writer.failure
            return self.acknowledged >= goal

        wait_until(f"{more} further writes are acknowledged", enough, timeout)


def revision_of(cluster: Cluster) -> int:
    return max(int(node.status()["revision"]) for node in cluster.nodes if node.running)


def check_kept(cluster: Cluster, promise: Promise) -> None:
    """Every acknowledged write is there, each was applied once, and all chains agree and verify."""
    running = [node for node in cluster.nodes if node.running]
    cluster.wait_same_heads(running)
    for node in running:
        found = {key: item.value for key, item in node.client().scan(consistency=LOCAL).items()}
        lost = {key: value for key, value in promise.values.items() if found.get(key) != value}
        assert not lost, f"node {node.id} lost or changed {len(lost)} writes: {list(lost)[:5]}"
        revision = node.status()["revision"]
        assert revision == promise.changes, (
            f"node {node.id} applied {revision} changes for {promise.changes} acknowledged writes"
        )
    heads = {report["head"] for report in cluster.verify()}
    assert len(heads) == 1
