"""Pages: the plain ones, which name their items, and the beans, which also carry the address of the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from loadtest.upstreams.jira.asked import Asked

T = TypeVar("T")
Shape = dict[str, object]


def page(
    asked: Asked, name: str, things: Sequence[T], show: Callable[[T], Shape], *, default: int, most: int | None = None
) -> Shape:
    """
    Cut the page that was asked for.
    """
    start, size = asked.integer("startAt", 0), min(asked.integer("maxResults", default), most or default)
    cut = [show(thing) for thing in things[start : start + size]]
    return {"startAt": start, "maxResults": size, "total": len(things), name: cut}


def bean(asked: Asked, path: str, things: Sequence[T], show: Callable[[T], Shape], *, default: int) -> Shape:
    """
    Cut the page that was asked for, and say where it and the next one are.
    """
    cut = page(asked, "values", things, show, default=default)
    start, size = asked.integer("startAt", 0), min(asked.integer("maxResults", default), default)
    more = 0 < size < len(things) - start

    def at(position: int) -> str:
        other = [(key, value) for key, values in asked.query.items() for value in values]
        kept = [(key, value) for key, value in other if key not in {"startAt", "maxResults"}]
        return f"{asked.view.url(path)}?{urlencode([*kept, ('maxResults', size), ('startAt', position)])}"

    links = {"self": at(start)} | ({"nextPage": at(start + size)} if more else {})
    return {**links, **cut, "isLast": not more}
