"""
Searches: the enhanced one, whose pages hang on a token, and the classic one, whose pages are numbered.

Both look into the index, so both lag as it does. `reconcileIssues` names issues that the enhanced one reads as they
are now, whatever the index says.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import issue_shapes as shapes
from loadtest.upstreams.jira.account import Issue
from loadtest.upstreams.jira.asked import Asked
from loadtest.upstreams.jira.errors import JiraError, bad_payload
from loadtest.upstreams.jira.jql import Query, condition, ordered, parse
from loadtest.upstreams.jira.pages import Shape
from loadtest.upstreams.jira.said import said

# Jira's own default and bound for a page.
_PAGE = 50
_PAGE_MAX = 100

# Jira's own bound.
_RECONCILED_MAX = 50


@dataclass(frozen=True, slots=True)
class _Wanted:
    """
    A search's parameters, from a query or from a body.
    """

    jql: str
    fields: tuple[str, ...]
    expand: tuple[str, ...]
    size: int
    start: int
    token: str | None
    reconciled: tuple[str, ...]


def _of_query(asked: Asked) -> _Wanted:
    return _Wanted(
        asked.text("jql") or "",
        tuple(asked.names("fields")),
        tuple(asked.names("expand")),
        min(asked.integer("maxResults", _PAGE), _PAGE_MAX),
        asked.integer("startAt", 0),
        asked.text("nextPageToken"),
        tuple(asked.names("reconcileIssues")),
    )


def _of_body(asked: Asked) -> _Wanted:
    body = asked.mapping()
    numbers = {name: body.get(name) for name in ("maxResults", "startAt")}
    if not all(value is None or (isinstance(value, int) and value >= 0) for value in numbers.values()):
        raise bad_payload()
    fields = _texts(body.get("fields"))
    return _Wanted(
        str(body.get("jql") or ""),
        fields,
        _texts(body.get("expand")),
        min(_PAGE if numbers["maxResults"] is None else numbers["maxResults"], _PAGE_MAX),
        numbers["startAt"] or 0,
        body.get("nextPageToken"),
        _texts(body.get("reconcileIssues")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split(","))
    if value is not None and not isinstance(value, list):
        raise bad_payload()
    return tuple(str(each) for each in value or ())


def _found(asked: Asked, wanted: _Wanted, query: Query) -> list[Issue]:
    visible = asked.account.index.visible()
    if len(wanted.reconciled) > _RECONCILED_MAX:
        raise JiraError(400, f"At most {_RECONCILED_MAX} issues can be reconciled.")
    for id_ in wanted.reconciled:
        now = asked.account.issues.get(id_)
        if now is None:
            visible.pop(id_, None)
        else:
            visible[id_] = now
    holds = condition(asked.account, query)
    return ordered([issue for issue in visible.values() if holds(issue)], query)


def enhanced(asked: Asked) -> Answer:
    """
    Find issues; without a list of fields, only their ids.
    """
    wanted = _of_body(asked) if asked.raw else _of_query(asked)
    query = parse(wanted.jql)
    if not query.clauses:
        message = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
        raise JiraError(400, message)
    found = _found(asked, wanted, query)
    start = _position(found, wanted)
    cut = found[start : start + wanted.size]
    last = start + len(cut) >= len(found) or not cut
    body: Shape = {"issues": [_shown(asked, each, wanted) for each in cut], "isLast": last}
    return said(200, body if last else body | {"nextPageToken": _token(wanted.jql, start + len(cut), cut[-1])})


def _shown(asked: Asked, issue: Issue, wanted: _Wanted) -> Shape:
    if not wanted.fields or wanted.fields == ("id",):
        return {"id": issue.id}
    return shapes.issue(asked.view, issue, wanted.fields, wanted.expand)


def _token(jql: str, position: int, last: Issue) -> str:
    return base64.urlsafe_b64encode(json.dumps([jql, position, last.id]).encode()).decode()


def _position(found: list[Issue], wanted: _Wanted) -> int:
    """
    Return where a page begins: behind the last issue of the page before, or where that was if it is gone.
    """
    if wanted.token is None:
        return 0
    try:
        jql, position, last = json.loads(base64.urlsafe_b64decode(wanted.token))
    except (ValueError, TypeError) as error:
        raise JiraError(400, "The provided next page token is invalid.") from error
    if jql != wanted.jql or not isinstance(position, int):
        raise JiraError(400, "The provided next page token belongs to another query.")
    return next((at + 1 for at, issue in enumerate(found) if issue.id == last), position)


def classic(asked: Asked) -> Answer:
    """
    Find issues, a numbered page at a time.
    """
    wanted = _of_body(asked) if asked.raw else _of_query(asked)
    found = _found(asked, wanted, parse(wanted.jql))
    cut = found[wanted.start : wanted.start + wanted.size]
    fields = wanted.fields or ("*navigable",)
    return said(
        200,
        {
            "expand": "schema,names",
            "startAt": wanted.start,
            "maxResults": wanted.size,
            "total": len(found),
            "issues": [shapes.issue(asked.view, each, fields, wanted.expand) for each in cut],
        },
    )


def count(asked: Asked) -> Answer:
    """
    Count what a query finds.
    """
    wanted = _of_body(asked)
    return said(200, {"count": len(_found(asked, wanted, parse(wanted.jql)))})
