from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from proxy.ulid import ALPHABET, Ulids


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    def thread_cpu(self) -> float:
        return 0.0


def test_known_value() -> None:
    """The oldest id of a moment is spelled as the specification spells it."""
    clock = Clock()
    clock.at = datetime.fromtimestamp(1469918176.385, UTC)
    assert Ulids(clock, bytes).new() == "01ARYZ6S410000000000000000"


def test_randomness() -> None:
    """Each moment's id has randomness of its own, its top bit aside, whatever of it was drawn at once."""
    clock, bits = Clock(), Random(7)
    ulids = Ulids(clock, bits.randbytes)
    tails = []
    for _ in range(1000):
        clock.at += timedelta(milliseconds=1)
        tails.append(ulids.new()[10:])
    assert len(set(tails)) == 1000
    for place in range(1, 16):
        assert {tail[place] for tail in tails} == set(ALPHABET)


def test_only_grows() -> None:
    """Ids grow within a millisecond, over milliseconds, and while the clock steps back."""
    clock = Clock()
    ulids = Ulids(clock, lambda count: b"\xff" * count)
    made = [ulids.new() for _ in range(40)]
    clock.at += timedelta(milliseconds=1)
    made += [ulids.new(), ulids.new()]
    clock.at -= timedelta(hours=1)
    made += [ulids.new(), ulids.new()]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {26}
