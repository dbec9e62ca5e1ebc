"""The faults of a world: those of live nodes, and some that real machines lack."""

from __future__ import annotations

from paxledger._breakable import Breakable
from paxledger.faults import Fault
from paxledger.lab.settings import number_of
from paxledger.sim.control import SimulatedBoard, SimulatedControl


class WorldFaults(Breakable):
    """What can be broken in a world, and mended: the half of `World` that is about faults."""

    seed: int
    _simulated: SimulatedControl
    _simulated_board: SimulatedBoard
    _draws: int

    def kill(self, node: int) -> Fault:
        """The process of a node ends; what it has written stays.

        Example:
            >>> with world.kill(3):
            ...     world.node(3).state
            'stopped'
        """
        return self._board.kill(self._simulated.node_id(node))

    def crash(self, node: int) -> Fault:
        """Power loss: what the disk was not told to keep is lost in part.

        Example:
            >>> with world.crash(3):
            ...     world.node(3).state
            'stopped'
        """
        node = self._simulated.node_id(node)
        self._draws += 1
        draw = (self.seed * 0x9E3779B97F4A7C15 + self._draws) % (1 << 63)
        return self._simulated_board.crash(node, draw)

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
