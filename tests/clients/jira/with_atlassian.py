"""
atlassian-python-api at work: issues, transitions, comments, worklogs, attachments, pages, and an error of each kind.

It makes up its URLs itself, but for the next page of a list, which the answer names.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from atlassian import Jira

from tests.clients.compare import Step
from tests.clients.jira.conftest import USER
from tests.clients.play import Player, Target, told

JQL = "project = SHOP ORDER BY key"


def client(target: Target) -> Jira:
    """
    Return the client as docs/CLIENTS.md sets it up.
    """
    return Jira(url=target.base, username=USER, password=target.key, cloud=True)


def shown(value: Any) -> Any:
    """
    Return an answer as it came: the client gives plain data, or the response itself.
    """
    if isinstance(value, requests.Response):
        return {"status": value.status_code, "text": value.text, "headers": told(value.headers)}
    return value.decode("latin-1") if isinstance(value, bytes) else value


def refused(error: Any) -> Any:
    """
    Return everything that an error of the client shows.
    """
    body = error.response.text if error.response is not None else None
    return {"text": str(error), "body": body}


def work(target: Target) -> list[Step]:
    """
    Play the script.
    """
    with client(target) as site:
        play = Player((requests.HTTPError,), shown, refused, target.upstream)
        play("who", site.myself)
        play("projects", lambda: list(site.projects()))
        made = [play("create", partial(site.create_issue, _fields(f"Leak {n}"))) for n in range(5)]
        _issues(play, site, [one["key"] for one in made])
        _notes(play, site, made[0]["key"])
        _failures(play, site, made[0]["key"])
        return play.steps


def _fields(summary: str) -> dict[str, object]:
    return {"project": {"key": "SHOP"}, "summary": summary, "issuetype": {"name": "Task"}, "labels": ["wet"]}


def _issues(play: Player, site: Jira, keys: list[str]) -> None:
    first = keys[0]
    play("read", lambda: site.issue(first))
    play("update", lambda: site.update_issue_field(first, {"summary": "Zoë's leak"}))
    play("edit", lambda: site.edit_issue(first, {"labels": [{"add": "urgent"}]}))
    play("read again", lambda: site.issue(first))
    play("assign", lambda: site.assign_issue(first, "712020:mia"))
    play("search", lambda: site.enhanced_jql(JQL, limit=2))
    play("paginate", lambda: site.enhanced_jql_get_list_of_tickets(JQL, limit=4))
    play("transitions", lambda: site.get_issue_transitions(first))
    play("transition", lambda: site.set_issue_status(first, "In Progress"))
    link = {"type": {"name": "Blocks"}, "inwardIssue": {"key": first}, "outwardIssue": {"key": keys[1]}}
    play("link", lambda: site.create_issue_link(link))
    play("property", lambda: site.set_issue_property(first, "seen", {"by": "an agent"}))
    play("delete property", lambda: site.delete_issue_property(first, "seen"))
    play("delete", lambda: site.delete_issue(keys[4]))
    play("deleted", lambda: site.issue(keys[4]))


def _notes(play: Player, site: Jira, key: str) -> None:
    comment = play("comment", lambda: site.issue_add_comment(key, "A comment"))
    play("edit comment", lambda: site.issue_edit_comment(key, comment["id"], "Edited"))
    play("comments", lambda: site.issue_get_comment(key, comment["id"]))
    play("worklog", lambda: site.issue_worklog(key, "2026-01-01T10:00:00.000+0000", 3600, "mopped"))
    play("worklogs", lambda: site.issue_get_worklog(key))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "drops.txt"
        file.write_bytes(b"\x00\r\n--drops")
        play("attach", lambda: site.add_attachment(key, str(file)))
    attached = play("attached", lambda: site.issue(key))["fields"]["attachment"][0]["id"]
    play("download", lambda: site.get_attachment_content(attached))
    play("detach", lambda: site.remove_attachment(attached))


def _failures(play: Player, site: Jira, key: str) -> None:
    play("404", lambda: site.issue("SHOP-999"))
    play("400", lambda: site.update_issue_field(key, {"summary": ""}))
    for status in (500, 502, 503):
        play.fails(f"{status} of a read", lambda: site.issue(key), status)
    for status in (400, 403, 409, 429):
        play.fails(f"{status} of a write", lambda: site.issue_add_comment(key, "never"), status, "POST")
    play("after all", lambda: site.issue(key))


def ours(target: Target) -> list[Step]:
    """
    Meet what Breakwater refuses.
    """
    with client(target) as site:
        play = Player((requests.HTTPError,), shown, refused, target.upstream)
        play("not allowed", lambda: site.delete_project("SHOP"))
        play.fails("in doubt", lambda: site.create_issue(_fields("twice")), 500, "POST")
        return play.steps
