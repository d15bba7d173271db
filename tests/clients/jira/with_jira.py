"""
The library `jira` at work: issues, transitions, comments, worklogs, attachments, search, and an error of each kind.

It asks the server what it is before anything else, and writes to the `self` of what it has read.
"""

from __future__ import annotations

import io
from contextlib import closing
from functools import partial
from typing import Any

from jira import JIRA, JIRAError
from jira.resources import Issue, Resource

from tests.clients.compare import Step
from tests.clients.jira.conftest import USER
from tests.clients.play import Player, Target, told


def client(target: Target) -> JIRA:
    """
    Return the client as docs/CLIENTS.md sets it up, without its retries.
    """
    return JIRA(server=target.base, basic_auth=(USER, target.key), max_retries=0, timeout=10)


def shown(value: Any) -> Any:
    """
    Return what a resource holds, or an answer that is none.
    """
    return {"class": type(value).__name__, "raw": value.raw} if isinstance(value, Resource) else _plain(value)


def _plain(value: Any) -> Any:
    return {"status": value.status_code, "headers": told(value.headers)} if hasattr(value, "status_code") else value


def refused(error: Any) -> Any:
    """
    Return everything that an error of the client shows.
    """
    headers = told(error.headers or {})
    body = error.response.text if error.response is not None else None
    return {"status": error.status_code, "text": error.text, "body": body, "headers": headers}


def work(target: Target) -> list[Step]:
    """
    Play the script.
    """
    play, site = Player((JIRAError,), shown, refused, target.upstream), client(target)
    with closing(site):
        play("who", site.myself)
        first = _issues(play, site)
        _notes(play, site, first)
        _failures(play, site, first)
        return play.steps


def _issues(play: Player, site: JIRA) -> Issue:
    made = [play("create", partial(site.create_issue, fields=_fields(f"Leak {n}"))) for n in range(5)]
    first = play("read", lambda: site.issue(made[0].key))
    play("update", lambda: first.update(summary="Zoë's leak", description="see\n\nthe other"))
    play("read again", lambda: site.issue(first.key))
    play("assign", lambda: site.assign_issue(first, "Bot"))
    play("search", lambda: site.enhanced_search_issues("project = SHOP ORDER BY key", maxResults=2))
    play("paginate", lambda: list(site.enhanced_search_issues("project = SHOP ORDER BY key", maxResults=False)))
    play("transitions", lambda: site.transitions(first))
    play("transition", lambda: site.transition_issue(first, "Start progress"))
    play("link", lambda: site.create_issue_link("Blocks", made[0].key, made[1].key))
    play("delete", made[4].delete)
    play("deleted", lambda: site.issue(made[4].key))
    return first  # type: ignore[no-any-return] # what a step returns is the client's


def _fields(summary: str) -> dict[str, object]:
    return {"project": {"key": "SHOP"}, "summary": summary, "issuetype": {"name": "Task"}, "labels": ["wet"]}


def _notes(play: Player, site: JIRA, issue: Issue) -> None:
    comment = play("comment", lambda: site.add_comment(issue, "A comment"))
    play("edit comment", lambda: comment.update(body="Edited"))
    play("comments", lambda: site.comments(issue))
    play("delete comment", comment.delete)
    worklog = play("worklog", lambda: site.add_worklog(issue, timeSpent="1h", comment="mopped"))
    play("worklogs", lambda: site.worklogs(issue))
    play("delete worklog", worklog.delete)
    play("attach", lambda: site.add_attachment(issue, io.BytesIO(b"\x00\r\n--drops"), filename="drops.png"))
    attached = play("attached", lambda: site.issue(issue.key)).fields.attachment[0]
    play("download", lambda: attached.get().hex())
    play("detach", attached.delete)


def _failures(play: Player, site: JIRA, issue: Issue) -> None:
    play("404", lambda: site.issue("SHOP-999"))
    play("400", lambda: issue.update(summary=""))
    for status in (500, 502, 503):
        play.fails(f"{status} of a read", lambda: site.issue(issue.key), status)
    for status in (400, 403, 409, 429):
        play.fails(f"{status} of a write", lambda: site.add_comment(issue, "never"), status, "POST")
    play("after all", lambda: site.issue(issue.key))


def ours(target: Target) -> list[Step]:
    """
    Meet what Breakwater refuses; a stranger already when the client asks what the server is.
    """
    play = Player((JIRAError,), shown, refused, target.upstream)
    try:
        site = client(target)
    except JIRAError as error:
        return [Step("connect", "error", refused(error))]
    with closing(site):
        issue = site.create_issue(fields=_fields("Leak"))
        target.upstream.wiretap.clear()
        play("not allowed", lambda: site.create_project("NEW", "New"))
        play.fails("in doubt", lambda: site.add_comment(issue, "twice"), 500, "POST")
        return play.steps
