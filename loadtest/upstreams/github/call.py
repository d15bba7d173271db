"""
One request on its way through a handler: its parameters read by name and type, its answers made.

Members that GitHub does not know are let be, as GitHub does; one of a wrong type is a 422.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.errors import GithubError, unprocessable
from loadtest.upstreams.github.state import World
from loadtest.upstreams.wiretap import Seen

T = TypeVar("T")
View = dict[str, object]

# GitHub's own default and bound for a page; more than the bound is the bound.
_PER_PAGE_DEFAULT = 30
_PER_PAGE_MAX = 100

# The version that a client gets which asks for none.
VERSION_DEFAULT = "2022-11-28"

# Under which of these an object keeps when it was made.
_STAMPS = ("created_at", "submitted_at", "at")

_TYPES: Mapping[str, type] = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}


@dataclass(frozen=True, slots=True)
class Urls:
    """
    What the URLs in answers begin with: those of the API and of uploads in bodies, and those in `Link` and `Location`.
    """

    api: str
    uploads: str
    links: str
    html: str = "https://github.com"
    raw: str = "https://raw.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class Call:
    """
    A request, parsed, and the world that it happens in. `path` is how `Link` names what was asked for.
    """

    world: World
    urls: Urls
    seen: Seen
    path: str
    query: Mapping[str, str]

    @property
    def version(self) -> str:
        """
        Return the version of the API that was asked for.
        """
        return self.seen.header("X-GitHub-Api-Version") or VERSION_DEFAULT

    def json(self) -> Any:
        """
        Parse the body; an empty one is an empty object.
        """
        try:
            return json.loads(self.seen.body or b"{}")
        except ValueError:
            raise GithubError(400, "Problems parsing JSON") from None

    def given(self, types: Mapping[str, str], *required: str) -> dict[str, Any]:
        """
        Return those members of the body that are named, each checked against its type, `|null` where null is allowed.
        """
        body = self.json()
        if not isinstance(body, dict):
            raise GithubError(400, "Body should be a JSON object")
        return checked(body, types, required)

    def flag(self, name: str, default: str, *choices: str) -> str:
        """
        Take one of a few words from the query; GitHub takes any other word for its default.
        """
        value = self.query.get(name, default)
        return value if value in choices else default

    def created(self, view: View) -> Answer:
        """
        Answer with a new object, its `Location` beside it.
        """
        location = str(view["url"]).replace(self.urls.api, self.urls.links, 1)
        return shown(view, 201, Location=location)

    def page(self, things: Iterable[T], view: Callable[[T], View]) -> Answer:
        """
        Cut the page that was asked for and link to those around it.
        """
        whole = [thing for thing in things if self._listed(thing)]
        size = min(_number(self.query.get("per_page"), _PER_PAGE_DEFAULT), _PER_PAGE_MAX)
        here, last = _number(self.query.get("page"), 1), max(1, -(-len(whole) // size))
        cut = whole[(here - 1) * size : here * size]
        around = {"prev": min(here - 1, last), "next": here + 1, "last": last, "first": 1}
        hidden = {"prev", "first"} if here == 1 else set()
        hidden |= {"next", "last"} if here >= last else set()
        links = [f'<{self._page(number)}>; rel="{rel}"' for rel, number in around.items() if rel not in hidden]
        headers = {"Link": ", ".join(links)} if links else {}
        return Answer.of(200, [view(thing) for thing in cut], **headers)

    def _listed(self, thing: object) -> bool:
        made = next((at for name in _STAMPS if (at := getattr(thing, name, None)) is not None), None)
        return made is None or made + self.world.list_lag_s <= self.world.now()

    def _page(self, number: int) -> str:
        return f"{self.urls.links}{self.path}?{urlencode({**self.query, 'page': number})}"


def checked(body: Mapping[str, Any], types: Mapping[str, str], required: Iterable[str]) -> dict[str, Any]:
    """
    Return the members that are named in `types`; what is required and not there, or of another type, is a 422.
    """
    for name in required:
        if name not in body:
            raise unprocessable(f'Invalid request.\n\n"{name}" wasn\'t supplied.')
    found = {name: body[name] for name in types if name in body}
    for name, value in found.items():
        kind, _, or_null = types[name].partition("|")
        if value is None and or_null:
            continue
        if not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
            raise unprocessable(
                f"Invalid request.\n\nFor 'properties/{name}', {json.dumps(value)} is not of type {kind}."
            )
    return found


def shown(value: object, status: int = 200, **headers: str) -> Answer:
    """
    Answer with a value as JSON.
    """
    return Answer.of(status, value, **headers)


def nothing() -> Answer:
    """
    Answer that it was done, and no more.
    """
    return Answer(204, b"")


def _number(text: str | None, default: int) -> int:
    return max(1, int(text)) if text is not None and text.isdigit() and len(text) <= 6 else default
