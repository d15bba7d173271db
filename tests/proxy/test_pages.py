"""Lists in pages, as each API spells them: that there is more, where it is, and several pages as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dialect import Continues
from config.tables import load_catalog
from proxy.pages import Pairs, goes_on, items_of, joined, next_query, without_parts

STRIPE, GITHUB, JIRA = (load_catalog(name, Path()).dialect.pages for name in ("stripe", "github", "jira"))
NEXT = (
    "link",
    '<https://api.github.com/x?per_page=2&page=3>; rel="next", <https://api.github.com/x?page=9>; rel="last"',
)
LAST = ("link", '<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?page=1>; rel="first"')


@pytest.mark.parametrize(
    ("signs", "answer", "headers", "query"),
    [
        (STRIPE, {"data": [{"id": "a"}, {"id": "b"}], "has_more": True}, (), (("limit", "2"), ("starting_after", "b"))),
        (STRIPE, {"data": [{"id": "a"}], "has_more": True, "next_page": "p2"}, (), (("limit", "2"), ("page", "p2"))),
        (STRIPE, {"data": [{"id": 1}], "has_more": True}, (), None),
        (STRIPE, {"data": [], "has_more": True}, (), None),
        (STRIPE, {"data": [{"id": "a"}], "next_page_url": "/v2/x?page=2"}, (), None),
        (GITHUB, [{"id": 1}], (NEXT,), (("per_page", "2"), ("page", "3"))),
        (GITHUB, {"total_count": 0, "incomplete_results": True, "items": []}, (NEXT,), None),
        (GITHUB, {"sha": "c0", "tree": [{"path": "a"}], "truncated": True}, (), None),
        (JIRA, {"issues": [1, 2], "nextPageToken": "t"}, (), (("limit", "2"), ("nextPageToken", "t"))),
        (JIRA, {"values": [1, 2], "isLast": False, "startAt": 4}, (), (("limit", "2"), ("startAt", "6"))),
        (JIRA, {"comments": [1, 2], "total": 5, "startAt": 0}, (), (("limit", "2"), ("startAt", "2"))),
        (JIRA, {"a": [1], "b": [2], "total": 5, "startAt": 0}, (), None),
    ],
)
def test_goes_on(signs: tuple[Continues, ...], answer: object, headers: Pairs, query: Pairs | None) -> None:
    """A list that says it goes on is recognised, and its next page is asked for where it is said which that is."""
    sign = goes_on(answer, headers, signs)
    assert sign is not None
    assert next_query(answer, headers, sign, (("limit", "2"),)) == query


@pytest.mark.parametrize(
    ("signs", "answer", "headers"),
    [
        (STRIPE, {"data": [], "has_more": False}, ()),
        (STRIPE, {"id": "ch_1", "next_page": None}, ()),
        (GITHUB, [{"id": 1}], ()),
        (GITHUB, [{"id": 1}], (LAST,)),
        (GITHUB, {"total_count": 5, "incomplete_results": False, "items": []}, ()),
        (JIRA, {"issues": [], "isLast": True}, ()),
        (JIRA, {"comments": [1, 2], "total": 2, "startAt": 0}, ()),
        (JIRA, {"comments": [1, 2], "total": 7, "startAt": 5}, ()),
        (JIRA, {"total": 7}, ()),
        (JIRA, None, ()),
    ],
)
def test_is_whole(signs: tuple[Continues, ...], answer: object, headers: Pairs) -> None:
    """An answer that says nothing of more, or that it was the last, is whole."""
    assert goes_on(answer, headers, signs) is None


def test_joined() -> None:
    """Pages of one list are one list, with what the last one says beside it."""
    assert joined([1], [2, 3]) == [1, 2, 3]
    first, second = {"data": [1], "has_more": True}, {"data": [2], "has_more": False}
    assert joined(first, second) == {"data": [1, 2], "has_more": False}
    assert joined(first, {"items": [2]}) is None
    assert joined(first, {"data": [2], "other": []}) is None
    assert joined({"id": 1}, second) is None


def test_inner_lists() -> None:
    """A list inside an object that is not whole shows nothing; everything beside it stays."""
    invoice = {"id": "in_1", "lines": {"data": [{"id": 1}], "has_more": True, "total": 7}, "status": "open"}
    assert without_parts(invoice, STRIPE) == {
        "id": "in_1",
        "lines": {"data": None, "has_more": True, "total": 7},
        "status": "open",
    }
    whole = {"data": [{"refunds": {"data": [1], "has_more": False}}], "has_more": True}
    assert without_parts(whole, STRIPE) == whole
    issue = {"fields": {"comment": {"comments": [1], "startAt": 0, "total": 2}}}
    assert without_parts(issue, JIRA) == {"fields": {"comment": {"comments": None, "startAt": 0, "total": 2}}}


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_read_on(whole: list[int], size: int) -> None:
    """Read on page by page a list is what it is, however it is cut."""
    answer: object = None
    start = 0
    for _ in range(len(whole) + 1):
        page = {"values": whole[start : start + size], "startAt": start, "total": len(whole)}
        answer = page if answer is None else joined(answer, page)
        sign = goes_on(page, (), JIRA)
        if sign is None:
            break
        query = next_query(page, (), sign, ())
        assert query is not None
        start = int(dict(query)["startAt"])
    assert items_of(answer) == whole
