"""Scenes at Jira: the client `jira` opens a ticket, works on it, and may not delete it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from jira import JIRA, JIRAError

from loadtest.demo.card import PROJECT
from loadtest.demo.record import Shown, UnexpectedError, call_in, expect, expect_refusal
from loadtest.demo.stage import Stage

_SUMMARY = "The parcel never came"

# The client has no time-out of its own.
_TIMEOUT_S = 20.0


@contextlib.contextmanager
def client(stage: Stage) -> Iterator[JIRA]:
    """
    Point the client at the door; it asks for the server's version as soon as it is there.
    """
    sdk = JIRA(server=stage.door("jira"), basic_auth=("agent@shop.test", stage.key), max_retries=0, timeout=_TIMEOUT_S)
    try:
        yield sdk
    finally:
        sdk.close()  # type: ignore[no-untyped-call]


def a_ticket_is_worked_on(stage: Stage) -> Shown:
    """
    Open a ticket, edit it at its own URL, start work on it, and say so.
    """
    with client(stage) as sdk:
        ticket = sdk.create_issue(project=PROJECT, summary=_SUMMARY, issuetype={"name": "Task"})
        ticket.update(fields={"summary": f"{_SUMMARY}, twice"})
        sdk.transition_issue(ticket, "Start progress")
        sdk.add_comment(ticket, "The carrier has been asked.")
        now = sdk.issue(ticket.key).fields
    said = [comment.body for comment in now.comment.comments]
    expect(now.summary == f"{_SUMMARY}, twice", f"its summary is {now.summary}")
    expect((now.status.name, said) == ("In Progress", ["The carrier has been asked."]), f"{now.status}, {said}")
    # This client would find the way back here by itself; others go where they are told.
    expect(ticket.raw["self"].startswith(f"{stage.door('jira')}/"), f"the agent was shown {ticket.raw['self']}")
    stage.expect_on_record("jira")
    moved = stage.record.newest("jira", "doTransition")
    stage.record.expect_changed(moved, "/issue/fields/status/name", "To Do", "In Progress")
    call = stage.record.newest("jira", "editIssue")
    diff = stage.record.expect_changed(call, "/issue/fields/summary", _SUMMARY, f"{_SUMMARY}, twice")
    return Shown(f"{ticket.key} was opened, edited, started, commented; nothing went round the door", call, diff)


def deleting_a_ticket_is_refused(stage: Stage) -> Shown:
    """
    Delete the ticket, which is not on the card.
    """
    with client(stage) as sdk:
        ticket = sdk.issue(f"{PROJECT}-1")
        try:
            ticket.delete()  # type: ignore[no-untyped-call]
        except JIRAError as error:
            expect("issue.deleted" not in stage.effects("jira"), f"the sandbox counts {stage.effects('jira')}")
            if error.response is None:
                raise UnexpectedError("the client shows no answer") from error
            # The error's own `headers` are those of the request.
            return expect_refusal("JIRAError", error.text, "not-allowed", error.response.text, call_in(error.response))
    raise UnexpectedError("it was not refused")
