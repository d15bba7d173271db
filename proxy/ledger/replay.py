"""
Reading a segment back: batch by batch, each one checked against the tree, and how the segment ends.

An ending is `open` (more may follow), `sealed`, `torn` (the end was cut off in the middle of a batch, as a crash does)
or `tampered`. What tells the last two apart is whether a whole COMMIT stands behind the damage: a crash tears the end
of a file, it does not damage its middle. A COMMIT whose root is not the root of what precedes it is never a crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from breakers.noun import noun
from proxy.ledger import frames
from proxy.ledger.frames import HEAD_BYTES, MAGIC, Broken, Frame, Kind
from proxy.ledger.tree import Frontier, leaf_hash

_ENTRY = int(Kind.ENTRY)


class End(StrEnum):
    """
    How a segment's bytes end.
    """

    OPEN = "open"
    SEALED = "sealed"
    TORN = "torn-tail"
    TAMPERED = "tampered"


@noun
class Stored:
    """
    One entry as it stands in a segment.
    """

    index: int
    offset: int
    body: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Ending:
    """
    How a segment ends: up to `good` it is whole; `index` and `offset` are where the fault is, `why` says which.

    `suspects` are the entries of the batch in which the fault lies, as far as they could be read.
    """

    end: End
    good: int
    index: int
    offset: int
    why: str = ""
    suspects: tuple[Stored, ...] = ()


class Replay:
    """
    Iterates over the entries of a segment's whole batches, growing `tree`; `ending` is set once it is exhausted.

    `begin` is the end of a batch that is known to be whole, with all before it: there the iteration begins.
    """

    def __init__(self, data: bytes, tree: Frontier, stop: int | None = None, begin: int = len(MAGIC)) -> None:
        self._data, self.tree, self._stop, self._begin = data, tree, stop, begin
        self.ending = Ending(End.OPEN, 0, tree.size, 0)

    def __repr__(self) -> str:
        return f"<Replay {self.tree!r} {self.ending.end}>"

    def __iter__(self) -> Iterator[tuple[Stored, ...]]:
        data, good = self._data, 0
        if not data.startswith(MAGIC):
            self._break(0, (), Broken(0, "the file does not begin as a segment does"))
            return
        pending: list[Stored] = []
        tree = self.tree.copy()
        offset = good = self._begin
        while offset < len(data):
            if self._stop is not None and not pending and self.tree.size >= self._stop:
                break
            body = frames.body_at(data, offset)
            if isinstance(body, Broken):
                return self._break(good, tuple(pending), body)
            begin, offset, kind, payload = offset, offset + HEAD_BYTES + len(body), body[0], body[1:]
            # Nearly all are entries, of which no frame is made.
            if kind == _ENTRY:
                leaf = leaf_hash(payload)
                pending.append(Stored(tree.size, begin, payload, leaf))
                tree.append(leaf)
            elif kind == Kind.COMMIT:
                if frames.read_stand(payload) != (tree.size, tree.root()) or not pending:
                    return self._tampered(good, tuple(pending), begin, "a batch's root is not that of its entries")
                self.tree, good = tree.copy(), offset
                yield tuple(pending)
                pending.clear()
            elif kind == Kind.SEAL:
                return self._seal(good, tuple(pending), Frame(Kind.SEAL, payload, begin, offset))
            elif not pending:
                good = offset
        if pending:
            return self._break(good, tuple(pending), Broken(good, "the last batch has no end"))
        self.ending = Ending(End.OPEN, good, self.tree.size, good)
        return None

    def _seal(self, good: int, pending: tuple[Stored, ...], found: Frame) -> None:
        stand = frames.read_stand(found.payload)
        digest = sha256(memoryview(self._data)[: found.offset]).digest()
        if pending or stand != (self.tree.size, self.tree.root()) or frames.read_digest(found.payload) != digest:
            return self._tampered(good, pending, found.offset, "the seal is not that of the segment")
        if found.end != len(self._data):
            return self._tampered(found.end, pending, found.offset, "something follows the seal")
        self.ending = Ending(End.SEALED, found.end, self.tree.size, found.end)
        return None

    def _tampered(self, good: int, pending: tuple[Stored, ...], at: int, why: str) -> None:
        index = pending[0].index if pending else self.tree.size
        self.ending = Ending(End.TAMPERED, good, index, at, why, pending)

    def _break(self, good: int, pending: tuple[Stored, ...], broken: Broken) -> None:
        index = self.tree.size + len(pending)
        behind = frames.find_commit(self._data, broken.offset)
        # Damage that ends before a later COMMIT is in the middle of the file, where no crash writes.
        end = End.TORN if behind is None else End.TAMPERED
        self.ending = Ending(end, good, index, broken.offset, broken.why, pending)
