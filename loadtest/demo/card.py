"""What the demo's agent may do: each operation by name, in one repository and one project where an argument says it."""

from __future__ import annotations

from loadtest.installation import agent

AGENT = "demo_agent"

# Who says yes to what is parked, with a token of her own.
APPROVER = "grace"

OWNER, REPOSITORY = "ada", "engine"
PROJECT = "SHOP"

_HERE = {"only": {"owner": OWNER, "repo": REPOSITORY}}

ALLOWED: dict[str, dict[str, object]] = {
    "stripe": {
        "customers.retrieve": {},
        "charges.retrieve": {},
        "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
    },
    "github": {
        "repos/get": _HERE,
        "issues/create": _HERE,
        "issues/list-for-repo": _HERE,
        "issues/update": _HERE,
    },
    # What may be done to a ticket says nothing of its project: Jira keeps that inside `fields`, or has it by the key.
    "jira": {
        "getServerInfo": {},
        "getProject": {"only": {"projectIdOrKey": PROJECT}},
        "createIssue": {},
        "getIssue": {},
        "editIssue": {},
        "getTransitions": {},
        "doTransition": {},
        "addComment": {},
    },
}


def card() -> dict[str, object]:
    """
    Return the agent's card.
    """
    return agent(ALLOWED)
