"""
What changed between two runs: figures beyond their own noise, promises and checks that were kept before, or are now.

A figure has moved where no value of a round of one run lies among those of the other, and by more than a twentieth;
where a run has one value only, by more than a tenth. Better and worse are told where a promise or the unit says which
way is good; two machines are compared all the same, with a word of warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from loadtest.report.words import HELD, figure
from loadtest.results import Figure, Result, Run

MOVED = 0.05
MOVED_ALONE = 0.10
HIGHER = frozenset({"calls/s"})
LOWER = frozenset({"ms", "s", "us", "MB", "KB", "bytes", "MB/h"})
"""Which way is good for a figure that no promise speaks of; of any other unit nobody knows."""


class Turn(StrEnum):
    """
    Which way something went.
    """

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Change:
    """
    One thing that is not as it was, in words.
    """

    turn: Turn
    what: str
    old: str
    new: str


def compare(old: Run, new: Run) -> list[Change]:
    """
    Return what changed, what became worse first; nothing where only noise differs.
    """
    return sorted(_changes(old, new), key=lambda change: list(Turn).index(change.turn))


def _changes(old: Run, new: Run) -> Iterator[Change]:
    for name in sorted(old.setting.keys() | new.setting.keys()):
        was, now = old.setting.get(name, "nothing"), new.setting.get(name, "nothing")
        if was != now:
            yield Change(Turn.CHANGED, f"setting: {name}", was, now)
    before = {result.scenario: result for result in old.results}
    after = {result.scenario: result for result in new.results}
    up = {(kept.scenario, kept.figure): kept.at_least for kept in (*old.promises, *new.promises)}
    for scenario in before.keys() | after.keys():
        yield from _scenario(scenario, before.get(scenario), after.get(scenario), up)
    asked = {one.name: one for one in new.promises}
    for one in old.promises:
        yield from _kept(one.says, was=one.held, now=asked[one.name].held if one.name in asked else None)


def _scenario(
    name: str, old: Result | None, new: Result | None, up: Mapping[tuple[str, str], bool]
) -> Iterator[Change]:
    if old is None or new is None:
        yield Change(Turn.NEW if old is None else Turn.GONE, name, old.state if old else "", new.state if new else "")
        return
    if old.state != new.state:
        yield Change(Turn.BETTER if new.state == "ran" else Turn.WORSE, name, old.state, new.state)
    for called in sorted(old.figures.keys() | new.figures.keys()):
        was, now = old.figures.get(called), new.figures.get(called)
        what = f"{name}: {called}"
        if was is None or now is None:
            yield Change(
                Turn.NEW if was is None else Turn.GONE, what, figure(was) if was else "", figure(now) if now else ""
            )
        elif moved(was, now):
            yield Change(_way(was, now, more_is_good=up.get((name, called))), what, figure(was), figure(now))
    counted = {check.name: check for check in new.checks}
    for check in old.checks:
        now_held = counted[check.name].held if check.name in counted else None
        yield from _kept(f"{name}: {check.says}", was=check.held, now=now_held)


def _kept(what: str, *, was: bool | None, now: bool | None) -> Iterator[Change]:
    if was != now:
        turn = Turn.GONE if now is None else Turn.NEW if was is None else Turn.BETTER if now else Turn.WORSE
        yield Change(turn, what, HELD[was], HELD[now])


def moved(old: Figure, new: Figure) -> bool:
    """
    Tell whether a figure is another one than it was, beyond what two runs of the same differ by.
    """
    size = max(abs(old.value), abs(new.value))
    alone = len(old.of) < 2 or len(new.of) < 2
    if abs(new.value - old.value) <= size * (MOVED_ALONE if alone else MOVED):
        return False
    return alone or max(old.of) < min(new.of) or max(new.of) < min(old.of)


def _way(old: Figure, new: Figure, *, more_is_good: bool | None) -> Turn:
    if more_is_good is None:
        if old.unit not in HIGHER | LOWER:
            return Turn.CHANGED
        more_is_good = old.unit in HIGHER
    return Turn.BETTER if (new.value > old.value) == more_is_good else Turn.WORSE
