"""
A list of what a lost write may have made, read page by page until it reaches back far enough.

A list that was not read to where it must be proves nothing: what is looked for may stand on the page that is missing.
So whatever goes wrong with any page makes the whole list one that was not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from breakers.call import Operation
from breakers.touching import text_of
from config.catalog import Find, Listing, OperationSpec, Paging, Place
from config.dialect import point_at
from proxy.doubt.candidates import made_at
from proxy.doubt.reading import Reader, parsed
from proxy.sight import Plan

PAGES_MAX = 20
"""Of the largest that a vendor gives: more than an account makes in the minutes that matter."""

PAGE_BYTES_MAX = 4 * 1024 * 1024

# A value of a search between its quotes; more is no name of anything.
_QUOTED_LENGTH_MAX = 1024

_NAMED = re.compile(r"\{([^{}]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Listed:
    """
    What a list showed: its items parsed exactly, each once, and how many pages that were.

    `failed` says why it could not be read as far as it must be.
    """

    items: tuple[object, ...] = ()
    pages: int = 0
    failed: str | None = None


async def read_list(listing: Listing, find: Find, mark: str, since: datetime, reader: Reader) -> Listed:
    """
    Read a list back to `since`; `mark` is what a search for the write's mark looks for.
    """
    (spec, *_) = reader.account.catalog.named(listing.read)
    asked = _asked(listing, spec, reader.doubt.call.operation, mark, since)
    if asked is None:
        return Listed(failed="the request does not say what to list")
    parameters, query = asked
    found: dict[str, object] = {}
    further: tuple[tuple[str, str], ...] = ()
    for page in range(1, PAGES_MAX + 1):
        plan = Plan.of(spec.name, parameters, (*query, *further))
        answer = parsed(await reader.take(plan, PAGE_BYTES_MAX))
        items = point_at(answer, listing.items)
        if not isinstance(items, list) or any(_id(item, find) is None for item in items):
            return Listed(tuple(found.values()), page, f"page {page} did not come, or is no list")
        found |= {_id(item, find) or "": item for item in items}
        if _is_enough(listing, find, items, since):
            return Listed(tuple(found.values()), page)
        following = _following(listing, find, answer, items, page, len(found))
        if following is None:
            return Listed(tuple(found.values()), page)
        further = ((listing.page, following),)
    return Listed(tuple(found.values()), PAGES_MAX, f"it goes on beyond {PAGES_MAX} pages")


def _asked(
    listing: Listing, spec: OperationSpec, operation: Operation, mark: str, since: datetime
) -> tuple[Mapping[str, str], tuple[tuple[str, str], ...]] | None:
    """
    Return a list's parameters and its query, or None where the write does not say what a list cannot do without.
    """
    parameters: dict[str, str] = {}
    for name, source in listing.sources:
        text = text_of(source, operation)
        if text is not None:
            parameters.setdefault(name, text)
    quoted: dict[str, str] = {}
    for name, source in listing.quoted:
        text = text_of(source, operation)
        if text is not None and len(text) <= _QUOTED_LENGTH_MAX and not _CONTROL.search(text):
            quoted.setdefault(name, '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    needed = {name for place, name in spec.arguments if place is Place.PATH}
    if not needed <= parameters.keys() or any(name not in quoted for name, _ in listing.quoted):
        return None
    moment = since.astimezone(UTC)
    filled = {
        **quoted,
        "marker": mark,
        "since": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "since_s": str(int(moment.timestamp())),
    }
    query = tuple((name, _NAMED.sub(lambda at: filled.get(at[1], at[0]), value)) for name, value in listing.query)
    return parameters, query


def _id(item: object, find: Find) -> str | None:
    held = point_at(item, find.id)
    return str(held) if isinstance(held, str | int) and not isinstance(held, bool) else None


def _is_enough(listing: Listing, find: Find, items: list[object], since: datetime) -> bool:
    """
    Tell whether nothing that counts can stand behind these items.
    """
    if not listing.newest_first or not items:
        return False
    last = made_at(items[-1], find)
    return last is not None and last < since


def _following(listing: Listing, find: Find, answer: object, items: list[object], page: int, count: int) -> str | None:
    """
    Return by which value of its parameter the next page is asked for, or None where this was the last.
    """
    match listing.paging:
        case Paging.NUMBER if items:
            return str(page + 1)
        case Paging.OFFSET if items:
            return str(count)
        case Paging.AFTER if items and point_at(answer, listing.more) is True:
            return _id(items[-1], find)
        case Paging.TOKEN:
            token = point_at(answer, listing.more)
            return token if isinstance(token, str) and token else None
        case _:
            return None
