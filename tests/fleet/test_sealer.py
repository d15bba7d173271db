"""Letters, sealed: what was changed, turned round, carried elsewhere or kept is no letter."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.keyring import KeyRing
from proxy.sealer import SKEW_S, Bad, Kind, Letter, Sealer
from tests.canary.forms import secret
from tests.ledger.world import Counted, StillClock

RING = KeyRing({1: b"1" * 32}, 1)
BODY = secret("letter").encode()


def sealer(ring: KeyRing = RING, deployment: str = "here", late_s: float = 0.0) -> Sealer:
    """
    Return a sealer whose clock is that much later.
    """
    clock = StillClock()
    clock.at += timedelta(seconds=late_s)
    return Sealer(ring, deployment, clock.now, Counted())


def letter(ring: KeyRing = RING) -> bytes:
    """
    Return a letter from a to b.
    """
    return sealer(ring).seal(Kind.QUESTION, "a", "b", "n1", BODY)


def test_opens() -> None:
    """A letter says who wrote it, to whom, under which nonce, when and what; none of it can be read on the way."""
    found = sealer().open(letter(), "b")
    assert isinstance(found, Letter)
    said = (Kind.QUESTION, "a", "b", "n1", StillClock().at, BODY)
    assert dataclasses.astuple(found) == said
    assert BODY not in letter()


def test_older_secret() -> None:
    """A letter that was sealed under a former secret of the ring opens, and one under a newer one does not."""
    both = KeyRing({1: b"1" * 32, 2: b"2" * 32}, 2)
    assert isinstance(sealer(both).open(letter(), "b"), Letter)
    assert sealer().open(letter(both), "b") is Bad.UNSEALED


REFUSED: dict[str, tuple[Sealer, bytes, str, Bad]] = {
    "another ring": (sealer(KeyRing({1: b"2" * 32}, 1)), letter(), "b", Bad.UNSEALED),
    "another deployment": (sealer(deployment="there"), letter(), "b", Bad.UNSEALED),
    "another receiver": (sealer(), letter(), "c", Bad.ANOTHERS),
    "its sender": (sealer(), letter(), "a", Bad.ANOTHERS),
    "too old": (sealer(late_s=SKEW_S + 0.001), letter(), "b", Bad.OLD),
    "from ahead": (sealer(late_s=-SKEW_S - 0.001), letter(), "b", Bad.OLD),
    "nothing": (sealer(), b"", "b", Bad.JUNK),
    "words": (sealer(), b"hello, this is no letter at all", "b", Bad.JUNK),
    "a head too long": (sealer(), b"bwl1" + b"\x00\x00\x00\x01\xff\xff" + b"x" * 70_000, "b", Bad.JUNK),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What is not for this process, of this deployment, and of now is not taken, and it is told apart why."""
    opener, data, receiver, why = REFUSED[case]
    assert opener.open(data, receiver) is why


@pytest.mark.parametrize("late_s", [SKEW_S, -SKEW_S])
def test_at_the_bound(late_s: float) -> None:
    """Clocks may be a minute apart."""
    assert isinstance(sealer(late_s=late_s).open(letter(), "b"), Letter)


@given(st.integers(0, len(letter()) - 1), st.integers(1, 255))
def test_changed(place: int, by: int) -> None:
    """A letter in which any one byte was changed is none."""
    data = bytearray(letter())
    data[place] ^= by
    assert sealer().open(bytes(data), "b") in {Bad.JUNK, Bad.UNSEALED}


@given(st.integers(0, len(letter()) - 1))
def test_cut(length: int) -> None:
    """A letter that was cut anywhere is none."""
    assert sealer().open(letter()[:length], "b") in {Bad.JUNK, Bad.UNSEALED}
