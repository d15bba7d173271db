"""
The Merkle tree of RFC 6962 over a log's entries, kept as its right frontier.

The frontier holds the roots of the complete subtrees from left to right, at most 64 of them: appending costs one leaf
hash and one node hash on average, and the root of everything is folded from the frontier.
"""

from __future__ import annotations

from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """
    Return the hash of one entry's stored bytes.
    """
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """
    Return the hash of two subtrees.
    """
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """
    The right edge of a growing tree: its size, and all that is needed to append to it and to name its root.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: tuple[bytes, ...] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def __repr__(self) -> str:
        return f"Frontier(size={self.size}, root={self.root().hex()[:16]})"

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """
        Return the roots of the complete subtrees, from left to right: with the size, all that is held.
        """
        return tuple(self._peaks)

    def copy(self) -> Frontier:
        """
        Return an equal frontier that grows on its own.
        """
        return Frontier(self.size, tuple(self._peaks))

    def append(self, leaf: bytes) -> None:
        """
        Add one leaf hash.
        """
        size, peaks = self.size, self._peaks
        while size & 1:
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """
        Return the root over every leaf so far.
        """
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root
