"""
Transitions: where an issue can go from where it is, and going there.

Two at the same time end as a conflict (409) in Jira; here one does when a fault says so.
"""

from __future__ import annotations

from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira.account import Issue
from loadtest.upstreams.jira.asked import Asked, View
from loadtest.upstreams.jira.edits import apply_edit, check_edited, read_edit
from loadtest.upstreams.jira.errors import JiraError, bad_payload
from loadtest.upstreams.jira.history import moved, record
from loadtest.upstreams.jira.pages import Shape
from loadtest.upstreams.jira.said import said, silence
from loadtest.upstreams.jira.site_shapes import status
from loadtest.upstreams.jira.words import DONE_STATUS, MOVES, STATUSES, Move


def show_moves(view: View, issue: Issue) -> list[Shape]:
    """
    Show where an issue can go.
    """
    return [
        {
            "id": move.id,
            "name": move.name,
            "to": status(view, STATUSES[move.target]),
            "hasScreen": False,
            "isGlobal": False,
            "isInitial": False,
            "isAvailable": True,
            "isConditional": False,
            "isLooped": False,
        }
        for move in MOVES
        if issue.status in move.sources
    ]


def list_(asked: Asked) -> Answer:
    """
    List where an issue can go.
    """
    moves = show_moves(asked.view, asked.issue)
    wanted = asked.text("transitionId")
    return said(200, {"expand": "transitions", "transitions": [each for each in moves if wanted in {None, each["id"]}]})


def read_move(issue: Issue, value: object) -> Move:
    """
    Return the transition that a body names, if it can be made now.
    """
    asked: dict[str, Any] = value if isinstance(value, dict) else {}
    if asked.get("id") is None:
        raise JiraError(400, "Missing 'transition' identifier")
    for move in MOVES:
        if move.id == str(asked["id"]) and issue.status in move.sources:
            return move
    raise JiraError(
        400,
        f"It seems that you have tried to perform a workflow operation (Transition {asked['id']}) that is not valid "
        f"for the current state of this issue ({issue.key}). The likely cause is that somebody has changed the issue "
        "recently, please look at the issue history for details.",
    )


def make(view: View, issue: Issue, move: Move) -> None:
    """
    Let an issue go.
    """
    record(view.account, issue, moved(issue.status, move.target), None)
    issue.status, issue.status_changed = move.target, view.account.clock()
    issue.resolved = issue.status_changed if move.target == DONE_STATUS else None


def do(asked: Asked) -> Answer:
    """
    Make a transition, and the changes that come with it.
    """
    issue, body = asked.issue, asked.mapping()
    if "transition" not in body:
        raise bad_payload()
    move = read_move(issue, body["transition"])
    edit = read_edit(asked.view, body, issue.values)
    check_edited(edit, issue)
    apply_edit(asked.view, issue, edit)
    make(asked.view, issue, move)
    asked.account.keep(issue, "issue.transitioned")
    return silence()
