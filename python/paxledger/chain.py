"""The chain of blocks as one node has it, decoded and verified, and chains side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, overload

from paxledger import audit
from paxledger.errors import BadRequest, Damaged

if TYPE_CHECKING:
    from paxledger._control import Control

# datetime.UTC is not there in Python 3.10.
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017


@dataclass(frozen=True)
class Operation:
    """What a client asked for, as it stands in a block.

    Attributes:
        kind: "put", "remove", "read", "compare_and_put", "open_session" or "close_session";
            "refused" for bytes that are no command, which changed nothing.
        key: Of the first four.
        value: Of the two that put.
        session: Of the client that asked.
        sequence: Its number within the session.
        argument: The expected revision of compare_and_put; the lifetime of a session in ms.

    Example:
        >>> db["alice"] = "555-0100"
        >>> cluster.chain(cluster.leader()).head.operations[-1]
        put(b'alice', b'555-0100')
    """

    kind: str
    key: bytes = b""
    value: bytes = b""
    session: int = 0
    sequence: int = 0
    argument: int = 0

    @classmethod
    def parse(cls, command: bytes) -> Operation:
        """Returns what the bytes of a command say.

        Example:
            >>> Operation.parse(b"nonsense").kind
            'refused'
        """
        try:
            said = audit.parse_command(command)
        except ValueError:
            return cls("refused", value=command)
        return cls(said.kind, said.key, said.value, said.session, said.sequence, said.argument)

    def __repr__(self) -> str:
        if self.kind in ("put", "compare_and_put"):
            return f"{self.kind}({_short(self.key)}, {_short(self.value)})"
        if self.kind in ("remove", "read"):
            return f"{self.kind}({_short(self.key)})"
        if self.kind == "refused":
            return f"refused({_short(self.value)})"
        return f"{self.kind}({self.session:016x})"


@dataclass(frozen=True, repr=False)
class Block(audit.Block):
    """A block whose proof of work and ops root are right.

    Attributes:
        height: Its place in the chain, from 1.
        timestamp: Microseconds since 1970, UTC.
        hash: Of its header.
        previous: The hash of the block before; of block 1, the genesis of the cluster.
        ops_root: The Merkle root over its commands.
        nonce: What does the proof of work.
        work_bits: How many zero bits that has.
        commands: The operations as bytes.

    Example:
        >>> block = cluster.chain(1)[0]
        >>> block.height, len(block.hash)
        (1, 32)
    """

    @classmethod
    def decode(cls, octets: bytes) -> Block:
        """Reads a block and checks all that can be checked from it alone.

        Raises:
            Damaged: Something is not what the format says.

        Example:
            >>> block = cluster.chain(1)[0]
            >>> Block.decode(block.encode()) == block
            True
        """
        try:
            return cls.of(audit.decode_block(octets))
        except audit.Damage as damage:
            about = f"block {damage.height}: " if damage.height else ""
            raise Damaged(f"{about}{damage.text}") from None

    @classmethod
    def of(cls, block: audit.Block) -> Block:
        """Returns a block that `paxledger.audit` has read as one of this class.

        Example:
            >>> Block.of(audit.decode_block(cluster.chain(1)[0].encode())).height
            1
        """
        return cls(
            block.work_bits,
            block.height,
            block.timestamp,
            block.nonce,
            block.previous,
            block.ops_root,
            block.hash,
            block.commands,
        )

    @property
    def operations(self) -> list[Operation]:
        """What clients asked for in it, in order; empty for a no-op.

        Example:
            >>> db["alice"] = "555-0100"
            >>> cluster.chain(cluster.leader()).head.operations[-1].kind
            'put'
        """
        return [Operation.parse(command) for command in self.commands]

    @property
    def time(self) -> datetime:
        """When the leader proposed it, by its clock.

        Example:
            >>> cluster.chain(1)[0].time.year >= 2024
            True
        """
        return _EPOCH + timedelta(microseconds=self.timestamp)

    def encode(self) -> bytes:
        """Returns the bytes of the block (docs/reference/chain-format.md).

        Example:
            >>> cluster.chain(1)[0].encode()[:2]
            b'\\x01\\x00'
        """
        header = audit.HEADER.pack(
            audit.FORMAT_VERSION,
            self.work_bits,
            0,
            len(self.commands),
            self.height,
            self.timestamp,
            self.nonce,
            self.previous,
            self.ops_root,
        )
        ops = (len(command).to_bytes(4, "little") + command for command in self.commands)
        return header + b"".join(ops)

    def problem(self) -> str | None:
        """Says what is wrong with the block by itself, after a look at every byte of it; or None.

        Example:
            >>> block = cluster.chain(1)[0]
            >>> block.problem() is None
            True
            >>> from dataclasses import replace
            >>> forged = replace(block, timestamp=block.timestamp + 1)
            >>> forged.problem()[:12]
            'its hash is '
        """
        try:
            really = audit.decode_block(self.encode())
        except audit.Damage as damage:
            return damage.text
        if really.hash != self.hash:
            return f"its hash is {really.hash.hex()}, but it says {self.hash.hex()}"
        return None

    def _repr_html_(self) -> str:
        from paxledger import views

        return views.block_html(self)

    def __repr__(self) -> str:
        operations = self.operations
        shown = ", ".join(map(repr, operations[:3])) + (", …" if len(operations) > 3 else "")
        return (
            f"<paxledger.Block {self.height} {self.hash.hex()[:12]} after "
            f"{self.previous.hex()[:12]}: {shown or 'no-op'}>"
        )


class Chain(Sequence[Block]):
    """Consecutive blocks, like a list. Made by `Cluster.chain`, and verified then.

    Two chains are equal if they have the same blocks.

    Attributes:
        node: The node whose chain it is, or None.
        genesis: What block 1 has to link to, if that is known.

    Example:
        >>> chain = cluster.chain(1)
        >>> chain[0].height, chain[-1] == chain.head
        (1, True)
    """

    def __init__(
        self, blocks: Iterable[Block], *, genesis: bytes | None = None, node: int | None = None
    ) -> None:
        """Takes blocks as they are; `verify` says whether they are a chain."""
        self._blocks = tuple(blocks)
        self.genesis = genesis
        self.node = node

    @classmethod
    def read(cls, control: Control, node: int, first: int = 1, last: int | None = None) -> Chain:
        """Reads and verifies the chain of a node; use `Cluster.chain`.

        Example:
            >>> cluster.chain(1).node
            1
        """
        for height, what in ((first, "first"), (1 if last is None else last, "last")):
            if isinstance(height, bool) or not isinstance(height, int):
                raise TypeError(f"{what} is a height, a whole number, not {height!r}")
        if first < 1:
            raise BadRequest(f"heights begin at 1; there is no block {first}")
        genesis = audit.genesis(control.configuration["cluster_id"])
        try:
            blocks = [Block.decode(octets) for octets in control.blocks(node, first, last)]
            chain = cls(blocks, genesis=genesis, node=node)
            chain._check_links()
        except Damaged as damage:
            raise Damaged(f"node {node}: {damage.message}") from None
        return chain

    # ---- like a list

    def __len__(self) -> int:
        return len(self._blocks)

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> Chain: ...
    def __getitem__(self, index: int | slice) -> Block | Chain:
        if isinstance(index, slice):
            return Chain(self._blocks[index], genesis=self.genesis, node=self.node)
        return self._blocks[index]

    def __iter__(self) -> Iterator[Block]:
        return iter(self._blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chain) and self._blocks == other._blocks

    def __hash__(self) -> int:
        return hash(self._blocks)

    # ---- what it says

    @property
    def head(self) -> Block | None:
        """The newest block, or None if there is none.

        Example:
            >>> chain = cluster.chain(1)
            >>> chain.head.height == chain.height
            True
        """
        return self._blocks[-1] if self._blocks else None

    @property
    def height(self) -> int:
        """The height of the newest block; 0 if there is none.

        Example:
            >>> cluster.chain(1).height > 0
            True
        """
        return self._blocks[-1].height if self._blocks else 0

    def at(self, height: int) -> Block:
        """Returns the block of a height.

        Raises:
            BadRequest: It is not among these.

        Example:
            >>> cluster.chain(1).at(1).height
            1
        """
        for block in self._at(height):
            return block
        raise BadRequest(f"there is no block {height} in {self!r}")

    def _at(self, height: int) -> Iterator[Block]:
        index = height - self._blocks[0].height if self._blocks else -1
        if 0 <= index < len(self._blocks):
            yield self._blocks[index]

    def verify(self) -> None:
        """Computes every hash again and follows every link.

        Raises:
            Damaged: Says which block is wrong, and how.

        Example:
            >>> chain = cluster.chain(1)
            >>> chain.verify()
            >>> from dataclasses import replace
            >>> forged = replace(chain[0], nonce=7)
            >>> Chain([forged, *chain[1:]]).verify()
            Traceback (most recent call last):
                ...
            paxledger.errors.Damaged: block 1: its hash is ...
        """
        for block in self._blocks:
            if (problem := block.problem()) is not None:
                raise Damaged(f"block {block.height}: {problem}")
        self._check_links()

    def _check_links(self) -> None:
        for before, block in zip((None, *self._blocks), self._blocks, strict=False):
            if (problem := self.link_problem(before, block)) is not None:
                raise Damaged(f"block {block.height}: {problem}")

    def link_problem(self, before: audit.Block | None, block: audit.Block) -> str | None:
        """Says why a block does not follow the one before it (None: it is the first one here).

        Example:
            >>> chain = cluster.chain(1)
            >>> chain.link_problem(None, chain[0]) is None
            True
        """
        if before is not None:
            head = audit.Head(before.height, before.hash, before.timestamp)
        elif block.height == 1 and self.genesis is not None:
            head = audit.Head(0, self.genesis)
        else:
            return None
        try:
            head.then(block)
        except audit.Damage as damage:
            return damage.text
        return None

    def diff(self, other: Chain) -> int | None:
        """Returns the first height at which both have a block, and not the same one; or None.

        A chain that is only shorter does not differ.

        Example:
            >>> cluster.chain(1).diff(cluster.chain(2)) is None
            True
        """
        if not self._blocks or not other._blocks:
            return None
        first = max(self._blocks[0].height, other._blocks[0].height)
        for height in range(first, min(self.height, other.height) + 1):
            if self.at(height).hash != other.at(height).hash:
                return height
        return None

    def _repr_html_(self) -> str:
        from paxledger import views

        return views.chain_html(self)

    def __repr__(self) -> str:
        of = "" if self.node is None else f" of node {self.node}"
        if not self._blocks:
            return f"<paxledger.Chain{of}: empty>"
        first, last = self._blocks[0].height, self._blocks[-1]
        return (
            f"<paxledger.Chain{of}: blocks {first} to {last.height}, head {last.hash.hex()[:12]}>"
        )


class Comparison:
    """Chains side by side. Made by `Cluster.compare`.

    Attributes:
        chains: What is compared.
        last: How many heights are shown.

    Example:
        >>> comparison = cluster.compare()
        >>> len(comparison.chains), comparison.first_difference
        (3, None)
    """

    def __init__(self, chains: Iterable[Chain], last: int = 12) -> None:
        self.chains = list(chains)
        self.last = last

    @property
    def first_difference(self) -> int | None:
        """The first height at which two of them have different blocks, or None.

        Example:
            >>> cluster.compare().first_difference is None
            True
        """
        found = [
            height
            for index, chain in enumerate(self.chains)
            for other in self.chains[:index]
            if (height := chain.diff(other)) is not None
        ]
        return min(found, default=None)

    @property
    def heights(self) -> dict[int | None, int]:
        """The height of each chain, by node.

        Example:
            >>> sorted(cluster.compare().heights)
            [1, 2, 3]
        """
        return {chain.node: chain.height for chain in self.chains}

    def _repr_html_(self) -> str:
        from paxledger import views

        return views.comparison_html(self)

    def __repr__(self) -> str:
        height = self.first_difference
        said = "no difference" if height is None else f"they differ from height {height} on"
        heights = ", ".join(f"node {node}: {height}" for node, height in self.heights.items())
        return f"<paxledger.Comparison: {said}; {heights}>"


def _short(octets: bytes) -> str:
    return repr(octets) if len(octets) <= 48 else f"{octets[:45]!r}…"
