"""
Stores of suggestions that do not keep a promise, to see that the machine finds each one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from breakers.store import parked
from breakers.store.parked import Parked
from breakers.suggestion import Grant, Stage, Suggested

Patch = tuple[object, str, Callable[..., Any]]


def _no(*arguments: object) -> Any:
    return None


def _yes(*arguments: object) -> bool:
    return True


def _whatever_was_shown(known: Suggested | None, grant: Grant, at: datetime) -> bool:
    return known is not None and known.stage is Stage.APPROVED and at < known.expires


def _for_ever(known: Suggested | None, grant: Grant, at: datetime) -> bool:
    return known is not None and known.stage is Stage.APPROVED and known.digest == grant.digest


def _once_more(known: Suggested | None, intent: str, at: datetime) -> Suggested | None:
    return None if known is None else replace(known, stage=Stage.APPROVED, intent="", version=known.version + 1)


def _begins_anew(self: Parked, new: Suggested, at: datetime) -> Suggested:
    self._put(new)
    return new


LIES: Mapping[str, Patch] = {
    "a grant is good for what was not shown": (parked, "is_granted", _whatever_was_shown),
    "a grant is good after its time": (parked, "is_granted", _for_ever),
    "a grant does not come back": (Parked, "let_go", _no),
    "an end leads somewhere": (parked, "may_follow", _yes),
    "what has ended is to be had again": (parked, "finished", _once_more),
    "a record of what was sent is forgotten": (Parked, "opened", _no),
    "the same write begins another one": (Parked, "suggest", _begins_anew),
}
