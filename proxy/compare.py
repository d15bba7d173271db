"""
What a write changed: two images compared within bounds, the differences both ways, sorted by who asked for them.

An image here is the document of all objects that one write touches, by type; null is an object that does not exist, a
type that is missing is not known. Only what is known on both sides is compared: an object that could not be read
before was not made by the write, and an inverse that removed it would be a second accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from breakers.noun import noun
from proxy.diff import Step, backward, forward, steps
from proxy.images import parse_image
from proxy.paths import Foreseen, Op, Paths, pointer_names, sort_paths

# Far above any business object; what is larger is a document store, and its images are kept without a diff.
IMAGE_BYTES_MAX = 256 * 1024

# More changes than anybody reads; two lists that were re-ordered are one change each.
OPS_MAX = 5_000

# All pointers together: long names above many members repeat in each of them.
POINTERS_CHARS_MAX = 1024 * 1024

# A diff shares its core with the road.
SECONDS_MAX = 0.050

# A thread's own time is asked of the kernel, which takes longer than a step; so many steps take no millisecond.
STEPS_UNTIMED = 64


class Act(StrEnum):
    """
    What a write did to an object.
    """

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    NONE = "none"


class Note(StrEnum):
    """
    Why a change is on record without its diff, or with less of it.
    """

    BEFORE_MISSING = "before-missing"
    AFTER_MISSING = "after-missing"
    TOO_BIG = "too-big"
    NOT_JSON = "not-json"
    NUM_LOSSY = "num-lossy"
    INTERRUPTED = "interrupted"


@noun
class Change:
    """
    What changed: the patch, its guarded inverse, the paths by who asked for them, what became of each known object.
    """

    patch: list[Op]
    inverse: list[Op]
    paths: Paths
    acts: Mapping[str, Act]


def change(before: bytes, after: bytes, known: Foreseen, clock: Callable[[], float]) -> Change | Note:
    """
    Return what changed between two images, or why that cannot be said; `clock` tells seconds of any origin.
    """
    if max(len(before), len(after)) > IMAGE_BYTES_MAX:
        return Note.TOO_BIG
    found = _compared(before, after, known, clock)
    # The garbage of the whole process is collected in whichever thread comes by, and its time counts there: what is
    # late once may not have been late by itself.
    return _compared(before, after, known, clock) if found is Note.TOO_BIG else found


def _compared(before: bytes, after: bytes, known: Foreseen, clock: Callable[[], float]) -> Change | Note:
    ends = clock() + SECONDS_MAX
    try:
        was, now = parse_image(before), parse_image(after)
    except ValueError as unread:
        return Note.NUM_LOSSY if isinstance(unread.__cause__, ArithmeticError) else Note.NOT_JSON
    if not isinstance(was, dict) or not isinstance(now, dict):
        return Note.NOT_JSON
    both = sorted(was.keys() & now.keys())
    was, now = {kind: was[kind] for kind in both}, {kind: now[kind] for kind in both}
    found = _bounded(was, now, clock, ends)
    if found is None:
        return Note.TOO_BIG
    ops = forward(found)
    touched = {pointer_names(step.path)[0] for step in found}
    acts = {kind: _act(was[kind], now[kind]) if kind in touched else Act.NONE for kind in both}
    return Change(ops, backward(found), sort_paths(ops, known, now), acts)


def _act(was: object, now: object) -> Act:
    return Act.CREATE if was is None else Act.DELETE if now is None else Act.UPDATE


def _bounded(was: object, now: object, clock: Callable[[], float], ends: float) -> list[Step] | None:
    found: list[Step] = []
    chars = 0
    for step in steps(was, now):
        found.append(step)
        chars += len(step.path)
        if len(found) > OPS_MAX or chars > POINTERS_CHARS_MAX:
            return None
        if len(found) % STEPS_UNTIMED == 0 and clock() > ends:
            return None
    return found
