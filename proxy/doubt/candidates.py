"""
Which of the things that a list shows a lost write has made.

Only what was made by our own identity since a minute before the write can be it, and nothing with a member that makes
it something else. Of that, a write that bore a mark made what shows it, and nothing besides. Without a mark one single
thing that shows all that was sent is it; several such things, or only such as were not sent, leave the question open.
So does one that was made before the write came or long after it, or beside which an equal write came just before: that
may be somebody else's, and is not to be overlooked either.
Where the credential was changed meanwhile, who we were is not certain: then what fits and was made by another leaves it
open as well.

Pure: the items are parsed exactly, and nothing here asks anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from config.catalog import Find, Marker
from config.dialect import point_at
from proxy.doubt.claims import Claim
from proxy.doubt.course import Found
from proxy.images import same
from proxy.markers import shows

SKEW = timedelta(seconds=60)
"""How far a vendor's clock may be behind ours."""

SLACK = timedelta(seconds=5)
"""How far clocks are apart that are set by the network: what is made earlier than that was there before the write."""


@dataclass(frozen=True, slots=True)
class Sought:
    """
    What is looked for: by `find`, made since `since`, by `who` (None where nobody else can have made it).

    `claims` are what it must show, or its `marker`, where the write bore one. `certain` tells whether `who` is whoever
    wrote it; `over_at` is the moment after which it cannot have been made any more, `from_at` the one before which it
    cannot have been, where the clocks agree. `alone` tells that no equal one is known to have come just before it. What
    is not shown as `done` was begun and is not what was sent.
    """

    intent: str
    find: Find
    since: datetime
    over_at: datetime
    claims: tuple[Claim, ...] = ()
    marker: Marker | None = None
    who: object = None
    certain: bool = True
    from_at: datetime | None = None
    alone: bool = True
    done: tuple[tuple[str, tuple[str | int | bool | None, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Picked:
    """
    What of a list's items counts: what was found, the items that may be it, whether something later is among them all.
    """

    found: Found
    items: tuple[object, ...] = ()
    later: bool = False


def pick(items: Sequence[object], sought: Sought) -> Picked:
    """
    Return what a complete list proves.

    An item that does not say when it was made, or of those that count, by whom, makes the list one that cannot be read.
    """
    find = sought.find
    made = [made_at(item, find) for item in items]
    dated = [(item, at) for item, at in zip(items, made, strict=True) if at is not None]
    counting = [item for item, at in dated if at >= sought.since and not _is_something_else(item, find)]
    # Of old items the maker may be gone.
    nameless = find.creator is not None and (sought.who is None or any(_who(item, find) is None for item in counting))
    if None in made or nameless:
        return Picked(Found.FAILED)
    later = any(at > sought.over_at for _, at in dated)
    recent = [(item, find.creator is None or same(_who(item, find), sought.who)) for item in counting]
    ours = [item for item, is_ours in recent if is_ours]
    fitting = [item for item in ours if _fits(item, sought)]
    if fitting:
        return Picked(_of_fitting(fitting, sought), tuple(fitting), later)
    others = [] if sought.certain else [item for item, is_ours in recent if not is_ours and _fits(item, sought)]
    unlike = [*([] if sought.marker else ours), *others]
    return Picked(Found.UNLIKE if unlike else Found.NONE, tuple(unlike), later)


def made_at(item: object, find: Find) -> datetime | None:
    """
    Return when an item says that it was made: RFC 3339, or seconds since 1970.
    """
    said = point_at(item, find.created)
    try:
        if isinstance(said, str):
            at = datetime.fromisoformat(said)
            return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        if isinstance(said, int) and not isinstance(said, bool):
            return datetime.fromtimestamp(said, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _who(item: object, find: Find) -> object:
    return point_at(item, find.creator) if find.creator is not None else None


def _is_something_else(item: object, find: Find) -> bool:
    return any(point_at(item, pointer) is not None for pointer in find.without)


def _fits(item: object, sought: Sought) -> bool:
    if not all(any(same(point_at(item, at), one) for one in may) for at, may in sought.done):
        return False
    if sought.marker is not None:
        return shows(item, sought.marker, sought.intent)
    # What sent nothing that can be seen fits everything, and so tells nothing apart.
    return bool(sought.claims) and all(claim.shown_by(item) for claim in sought.claims)


def _of_fitting(fitting: Sequence[object], sought: Sought) -> Found:
    if sought.marker is not None:
        return Found.ONE if len(fitting) == 1 else Found.MANY
    return Found.ONE if len(fitting) == 1 and sought.alone and _is_in_time(fitting[0], sought) else Found.LIKE


def _is_in_time(item: object, sought: Sought) -> bool:
    at, from_at = made_at(item, sought.find), sought.from_at or sought.since
    return at is not None and from_at - SLACK <= at <= sought.over_at + SKEW
