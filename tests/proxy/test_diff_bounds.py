"""What a write changed, within bounds: what is known on both sides is compared, and never for long."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest

from proxy.compare import IMAGE_BYTES_MAX, OPS_MAX, SECONDS_MAX, STEPS_UNTIMED, Act, Change, Note, change
from proxy.diff import apply
from proxy.images import parse_image, same, spell_image
from proxy.paths import Foreseen, Paths
from tests.conftest import Figure

KNOWN = Foreseen(("/issue/title",), {"issue": ("updated",)}, makes=frozenset({"issue"}))


def compared(before: Any, after: Any) -> Change | Note:
    return change(spell_image(before), spell_image(after), KNOWN, lambda: 0.0)


def test_change() -> None:
    """A change has its patch, its inverse, its paths, and what became of each object."""
    before = {"issue": {"title": "Old", "updated": 1, "locked": False}, "event": None, "gone": {}, "label": {"a": 1}}
    after = {"issue": {"title": "New", "updated": 2, "locked": True}, "event": {}, "gone": None, "label": {"a": 1}}
    found = compared(before, after)
    assert isinstance(found, Change)
    assert apply(before, found.patch) == after
    assert apply(after, found.inverse) == before
    assert found.paths == Paths(("/issue/title",), ("/issue/updated",), ("/event", "/gone", "/issue/locked"))
    assert found.acts == {"issue": Act.UPDATE, "event": Act.CREATE, "gone": Act.DELETE, "label": Act.NONE}


def test_unknown_is_not_compared() -> None:
    """An object that is known on one side only was neither made nor removed, as far as anybody can tell."""
    found = compared({"issue": {"title": "a"}, "was": {}}, {"issue": {"title": "b"}, "now": {}})
    assert isinstance(found, Change)
    assert [op["path"] for op in found.patch] == ["/issue/title"]
    assert found.acts == {"issue": Act.UPDATE}


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (b"{}", b"[]", Note.NOT_JSON),
        (b"not json", b"{}", Note.NOT_JSON),
        (b'{"a": 1, "a": 1}', b"{}", Note.NOT_JSON),
        (b"{}", b'{"a": 1e99999999999999999999}', Note.NUM_LOSSY),
        (b"{}", b" " * (IMAGE_BYTES_MAX - 1) + b"{}", Note.TOO_BIG),
        (b" " * (IMAGE_BYTES_MAX - 1) + b"{}", b"{}", Note.TOO_BIG),
    ],
)
def test_unfit(before: bytes, after: bytes, note: Note) -> None:
    """What cannot be compared is named, and not compared."""
    assert change(before, after, KNOWN, lambda: 0.0) is note


def many(members: int, value: int, name: str = "") -> Any:
    return {"issue": {name: {str(n): value for n in range(members)}}}


def test_largest() -> None:
    """An image of the largest size with as many changes as are kept is compared."""
    data = spell_image(many(OPS_MAX, 0))
    assert isinstance(change(data.rjust(IMAGE_BYTES_MAX), spell_image(many(OPS_MAX, 1)), KNOWN, lambda: 0.0), Change)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (many(OPS_MAX + 1, 0), many(OPS_MAX + 1, 1)),
        # Few operations and a long name above each.
        (many(1_000, 0, "n" * 2_000), many(1_000, 1, "n" * 2_000)),
    ],
)
def test_too_many(before: Any, after: Any) -> None:
    """More changes than are kept, or longer pointers, are too many."""
    assert compared(before, after) is Note.TOO_BIG


# So many changes that the time is asked for ten times on the way.
TIMED = 10 * STEPS_UNTIMED


@pytest.mark.parametrize(("reads", "note"), [(2, True), (3, True), (5, True), (20, False)])
def test_time(reads: int, note: bool) -> None:
    """A comparison ends when its time is over, wherever it stands; one that is in time ends by itself."""
    ticks = count(1)
    data = spell_image(many(TIMED, 0)), spell_image(many(TIMED, 1))
    found = change(*data, KNOWN, lambda: next(ticks) // reads * (SECONDS_MAX + 0.001))
    assert (found is Note.TOO_BIG) is note


def test_late_once() -> None:
    """A pause that is not the comparison's own costs a second try, and no diff."""
    ticks = count(1)
    data = spell_image(many(TIMED, 0)), spell_image(many(TIMED, 1))
    found = change(*data, KNOWN, lambda: 0.0 if next(ticks) < 5 else SECONDS_MAX + 0.001)
    assert isinstance(found, Change)


def test_speed(figure: Figure) -> None:
    """An object with 2,000 leaves is compared in a fraction of the time that it may take."""
    was: Any = {"o": {f"member {n}": {"id": n, "text": f"text {n}", "sum": n, "list": [n]} for n in range(500)}}
    now = {"o": {name: {**held, "sum": held["id"] // 9} for name, held in was["o"].items()}}
    data = spell_image(was), spell_image(now)
    taken, found = [], compared({}, {})
    for _ in range(5):
        start = time.process_time()
        found = change(*data, KNOWN, time.monotonic)
        taken.append(time.process_time() - start)
    assert isinstance(found, Change)
    assert same(apply(parse_image(data[0]), found.patch), parse_image(data[1]))
    figure("diff: milliseconds for 2,000 leaves", round(1000 * min(taken), 1))
    assert min(taken) < SECONDS_MAX / 2
