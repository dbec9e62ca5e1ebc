"""The faults of a world: those of live nodes, and some that real machines lack."""

from __future__ import annotations

from typing import Any

from paxledger._breakable import Breakable
from paxledger.faults import Fault
from paxledger.lab.settings import number_of, whole_of
from paxledger.sim.control import SimulatedBoard, SimulatedControl

# What may become of what was not synced when the power fails.
UNSYNCED = ("lost", "kept", "random", "torn")


class WorldFaults(Breakable):
    """What can be broken in a world, and mended: the half of `World` that is about faults."""

    seed: int
    _simulated: SimulatedControl
    _simulated_board: SimulatedBoard
    _draws: int

    def _draw(self) -> int:
        """The seed of what the next fault leaves to chance."""
        self._draws += 1
        return (self.seed * 0x9E3779B97F4A7C15 + self._draws) % (1 << 63)

    def kill(self, node: int) -> Fault:
        """The process of a node ends; what it has written stays.

        Example:
            >>> with world.kill(3):
            ...     world.node(3).state
            'stopped'
        """
        return self._board.kill(self._simulated.node_id(node))

    def crash(self, node: int, unsynced: str | None = None) -> Fault:
        """Power loss, at any operation of the disk: what it was not told to keep is lost in part.

        Args:
            node: Its id.
            unsynced: What becomes of what was not synced: "lost", "kept", "random" (some sectors of
                it) or "torn" (some parts of sectors). None: one of these, by chance.

        Example:
            >>> with world.crash(3, unsynced="torn"):
            ...     world.node(3).state
            'stopped'
        """
        if unsynced is not None and unsynced not in UNSYNCED:
            raise ValueError(f"unsynced is one of {', '.join(UNSYNCED)}, not {unsynced!r}")
        return self._simulated_board.crash(self._simulated.node_id(node), self._draw(), unsynced)

    def start(self, node: int, rejoin: bool = False) -> None:
        """Starts a node that is down.

        Args:
            node: Its id.
            rejoin: As for live nodes; a simulated one finds out by itself.

        Example:
            >>> _ = world.kill(3)
            >>> world.start(3)
            >>> world.node(3).state
            'running'
        """
        node = self._simulated.node_id(node)
        if self._simulated.state(node) == "stopped":
            self._simulated.start(node, rejoin)
        self._board.node_runs(node)

    def restart(self, node: int) -> None:
        """Kills a node and starts it again at once.

        Example:
            >>> world.restart(3)
        """
        self.kill(node)
        self.start(node)

    def pause(self, node: int) -> Fault:
        """A node stands still until it is resumed, and hears nothing meanwhile.

        Example:
            >>> with world.pause(3):
            ...     world.node(3).state
            'paused'
        """
        return self._board.pause(self._simulated.node_id(node))

    def resume(self, node: int) -> None:
        """A paused node goes on.

        Example:
            >>> _ = world.pause(3)
            >>> world.resume(3)
            >>> world.node(3).state
            'running'
        """
        node = self._simulated.node_id(node)
        if self._simulated.state(node) == "paused":
            self._simulated.resume(node)
            self._board.node_runs(node)

    def wipe(self, node: int) -> None:
        """Everything that a node has on its disk is lost; the node goes down.

        Example:
            >>> world = World(seed=1)
            >>> world.wipe(3)
            >>> world.node(3).state
            'stopped'
        """
        self._simulated.apply("lose_disk", node=self._simulated.node_id(node))

    def flip_bit(self, node: int) -> None:
        """One bit of one file of a node flips, whether it runs or not, by chance.

        The node finds it when it reads the place: when it starts, or when a peer wants the block.

        Example:
            >>> world.flip_bit(2)
        """
        self._simulated.apply("flip_bit", node=self._simulated.node_id(node), draw=self._draw())

    def fail_sync(self, node: int) -> None:
        """The next sync of a file of a node fails: of its log, its blocks, or any, by chance.

        The node ends then, until it is started again.

        Example:
            >>> world.fail_sync(2)
        """
        self._simulated.apply("fail_sync", node=self._simulated.node_id(node), draw=self._draw())

    def fail_write(self, node: int) -> None:
        """The next write of a node fails half done: of its log, its blocks, or any, by chance.

        The node ends then, until it is started again.

        Example:
            >>> world.fail_write(2)
        """
        self._simulated.apply("fail_write", node=self._simulated.node_id(node), draw=self._draw())

    def full_disk(self, node: int, seconds: float | None = None, room: int = 0) -> None:
        """The disk of a node is full. The node ends when it wants more room than is left.

        Args:
            node: Its id.
            seconds: After which there is room again; None: when everything is healed.
            room: So many octets still fit.

        Example:
            >>> world.full_disk(2, 0.5, room=1000)
        """
        members: dict[str, Any] = {"amount": whole_of(room, "room", 0, 1 << 40)}
        if seconds is not None:
            number_of(seconds, "seconds", 0, 3600, "seconds", above=True)
            members["duration_us"] = max(1, round(seconds * 1e6))
        self._simulated.apply("full_disk", node=self._simulated.node_id(node), **members)

    def slow_disk(self, node: int, seconds: float) -> None:
        """No write of a node ends for so many seconds.

        Example:
            >>> world.slow_disk(1, 0.2)
        """
        number_of(seconds, "seconds", 0, 3600, "seconds", above=True)
        node = self._simulated.node_id(node)
        self._simulated.apply("slow_disk", node=node, duration_us=max(1, round(seconds * 1e6)))

    def clock_jump(self, node: int, seconds: float) -> None:
        """The wall clock of a node jumps; the clock of its timeouts does not.

        Example:
            >>> world.clock_jump(1, -3600)
        """
        number_of(seconds, "seconds", -1e9, 1e9, "seconds")
        node = self._simulated.node_id(node)
        self._simulated.apply("clock_jump", node=node, amount=round(seconds * 1e6))

    def clock_rate(self, node: int, rate: float) -> None:
        """All clocks of a node run so many times as fast, 0.8 to 1.2.

        Example:
            >>> world.clock_rate(1, 1.01)
        """
        number_of(rate, "rate", 0.8, 1.2)
        node = self._simulated.node_id(node)
        self._simulated.apply("clock_rate", node=node, amount=round((rate - 1) * 1e6))

    def heal(self, patience: float = 30.0) -> None:
        """Takes back every fault: mends links, resumes and starts nodes. Nothing is waited for.

        Args:
            patience: Not needed here.

        Example:
            >>> _ = world.partition([1], [2, 3])
            >>> world.heal()
            >>> world.link_faults()
            {}
        """
        self._simulated.apply("heal")
        self._simulated.forget_links()
        self._board.clear()
