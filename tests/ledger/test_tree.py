from __future__ import annotations

import warnings

import pymerkle

from proxy.ledger.tree import EMPTY_ROOT, Frontier, leaf_hash


def test_empty_root() -> None:
    """The root of nothing is the hash of nothing."""
    assert Frontier().root() == EMPTY_ROOT


def test_roots_agree() -> None:
    """Every root up to 130 leaves is the one that an independent implementation names."""
    ours, theirs = Frontier(), pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(130):
        entry = b"entry %d" % number
        ours.append(leaf_hash(entry))
        theirs.append_entry(entry)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert ours.root() == theirs.get_state()
        assert ours.size == number + 1


def test_copies_part() -> None:
    """A copy grows on its own and leaves what it was copied from alone."""
    tree = Frontier()
    tree.append(leaf_hash(b"a"))
    copy, root = tree.copy(), tree.root()
    copy.append(leaf_hash(b"b"))
    assert (tree.size, tree.root(), copy.size) == (1, root, 2)
    assert copy.root() != root
