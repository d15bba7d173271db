"""A list read back until it reaches far enough: how it is asked for, how it goes on, and when it was not read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from breakers.call import Applied, Health, Operation, Outcome, Retry, Sent
from config.catalog import Argument, Effect, Find, Kind, Listing, OperationSpec, Paging, Place, Source
from proxy.doubt.listing import PAGES_MAX, read_list
from proxy.doubt.reading import Reader
from proxy.sight import Plan, Taken

SINCE = datetime(2026, 11, 21, 11, 59, tzinfo=UTC)
PATH = {(Place.PATH, name): Argument(name, Place.PATH, Kind.STRING) for name in ("owner",)}
SPEC = OperationSpec("a", "things.list", "GET", "/{owner}/things", "api", Effect.READ, {}, PATH)
LISTING = Listing("things.list", (("owner", Source(Place.PATH, "owner")),), (), "/items")
FIND = Find(LISTING, "/id", "/created", None, ())
BODY = {"charge": "ch_1", "fields": {"project": {"key": 'A"\\B'}}, "count": 3, "bad": "a\nb"}


@dataclass
class Pages:
    """Answers page after page, and keeps what it was asked."""

    answers: list[Any]
    arguments: dict[tuple[Place, str], object] = field(default_factory=dict)
    asked: list[Plan] = field(default_factory=list)

    def __post_init__(self) -> None:
        write = OperationSpec("a", "things.create", "POST", "/things", "api", Effect.WRITE, {}, {})
        said = {(Place.PATH, "owner"): "ada", **{(Place.BODY, name): value for name, value in BODY.items()}}
        self.doubt = SimpleNamespace(call=SimpleNamespace(operation=Operation(write, {**said, **self.arguments})))
        self.account = SimpleNamespace(catalog=SimpleNamespace(named=lambda _: (SPEC,)))

    async def take(self, plan: Plan, _: int) -> Taken | None:
        self.asked.append(plan)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        outcome = Outcome(Applied.NOT_APPLIED, Health.OK, Retry.NEVER, Sent.YES, status=status)
        return Taken(outcome, json.dumps(body).encode(), cut=False)


async def read(listing: Listing, pages: Pages) -> tuple[list[Any], int, str | None]:
    """
    Read a list; return its items' ids, its pages, and why it was not read.
    """
    listed = await read_list(listing, FIND, "the-mark", SINCE, cast("Reader", pages))
    return [item["id"] for item in cast("Any", listed.items)], listed.pages, listed.failed


def page(*ids: int, seconds: int = 0, **more: object) -> dict[str, Any]:
    """
    Return a page of items, made so many seconds after what matters.
    """
    made = int(SINCE.timestamp()) + seconds
    return {"items": [{"id": one, "created": made} for one in ids], **more}


OLD = page(9, seconds=-1)

# One row: how it goes on, its answers, the parameter of each further page, the ids that were read.
WAYS: tuple[tuple[Paging, str, list[Any], list[str], list[int]], ...] = (
    (Paging.WHOLE, "", [page(1, 2)], [], [1, 2]),
    (Paging.NUMBER, "", [page(1), page(2), page()], ["2", "3"], [1, 2]),
    (Paging.NUMBER, "", [page(1), OLD], ["2"], [1, 9]),
    (Paging.OFFSET, "", [page(1, 2), page(3), page()], ["2", "3"], [1, 2, 3]),
    (Paging.AFTER, "/more", [page(1, 2, more=True), page(3, more=False)], ["2"], [1, 2, 3]),
    (Paging.AFTER, "/more", [page(1, more="true")], [], [1]),
    (Paging.TOKEN, "/next", [page(1, next="t"), page(2, next="u"), page(next=None)], ["t", "u"], [1, 2]),
    (Paging.NUMBER, "", [page(1, 2), page(2, 3), page()], ["2", "3"], [1, 2, 3]),
)


@pytest.mark.parametrize(("paging", "more", "answers", "further", "ids"), WAYS)
async def test_goes_on(paging: Paging, more: str, answers: list[Any], further: list[str], ids: list[int]) -> None:
    """A list goes on as its catalogue says, to its end or to what is too old, and has each item once."""
    pages = Pages(answers)
    listed = await read(replace(LISTING, paging=paging, more=more), pages)
    assert listed == (ids, len(further) + 1, None)
    assert [dict(plan.query)["page"] for plan in pages.asked[1:]] == further


async def test_not_newest_first() -> None:
    """A list that does not begin with the newest is read to its end, however old its items are."""
    assert await read(replace(LISTING, newest_first=False), Pages([OLD, page(1), page()])) == ([9, 1], 3, None)


@pytest.mark.parametrize(
    "answer",
    [(429, {}), (500, {}), (304, {}), {"items": {}}, {"items": [{"created": 1}]}, {}, []],
    ids=["429", "500", "304", "no list", "an item without an id", "nothing", "a list elsewhere"],
)
async def test_not_read(answer: Any) -> None:
    """A page that did not come, or is no list, makes the whole list one that was not read."""
    ids, read_pages, failed = await read(LISTING, Pages([page(1), answer]))
    assert (ids, read_pages) == ([1], 2)
    assert failed is not None


async def test_without_an_end() -> None:
    """A list that never ends is not read to its end."""
    pages = Pages([page(1)])
    assert (await read(LISTING, pages))[2] == f"it goes on beyond {PAGES_MAX} pages"
    assert len(pages.asked) == PAGES_MAX


async def test_asked() -> None:
    """A list is asked for by what the write says: the first source that it has, quoted where it stands in a search."""
    listing = replace(
        LISTING,
        sources=(
            *LISTING.sources,
            ("by", Source(Place.BODY, "intent")),
            ("by", Source(Place.BODY, "charge")),
            ("left", Source(Place.BODY, "nothing")),
        ),
        query=(
            ("q", "project = {project} AND label = {marker}"),
            ("from", "{since}"),
            ("gte", "{since_s}"),
            ("n", "9"),
        ),
        quoted=(
            ("project", Source(Place.BODY, "fields", pointer="/project/id")),
            ("project", Source(Place.BODY, "fields", pointer="/project/key")),
        ),
    )
    pages = Pages([page()])
    assert (await read(listing, pages))[2] is None
    assert dict(pages.asked[0].key) == {"owner": "ada", "by": "ch_1"}
    assert dict(pages.asked[0].query) == {
        "q": 'project = "A\\"\\\\B" AND label = the-mark',
        "from": "2026-11-21T11:59:00Z",
        "gte": str(int(SINCE.timestamp())),
        "n": "9",
    }


@pytest.mark.parametrize(
    "listing",
    [
        replace(LISTING, sources=()),
        replace(LISTING, quoted=(("project", Source(Place.BODY, "nothing")),)),
        replace(LISTING, quoted=(("project", Source(Place.BODY, "bad")),)),
    ],
    ids=["its path is not known", "what is quoted is not known", "what is quoted would break the search"],
)
async def test_not_asked(listing: Listing) -> None:
    """Without what a list cannot do without, nothing is asked and nothing is learned."""
    pages = Pages([page()])
    assert (await read(listing, pages))[2] == "the request does not say what to list"
    assert pages.asked == []
