"""Who acts at the admin door: an operator and the roles that say what he or she may do."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

ADMIN, APPROVER, RESUME, BREAK_GLASS = "admin", "approver", "resume", "break-glass"
"""The roles that mean something by themselves; every other name is one that a card asks for."""


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Whoever showed an operator's token. Everyone may look and stop; the rest is by role.

    `personal` tells that the token is one person's own, and not the one that lies in the state folder.
    """

    name: str
    roles: frozenset[str]
    personal: bool = True


HOUSE = Operator("admin", frozenset({ADMIN, RESUME}), personal=False)
"""Who holds the token that lies in the state folder."""

ACTING = web.RequestKey("acting", Operator)


def acting(request: web.Request) -> Operator:
    """
    Return who made a request at the admin door.
    """
    return request[ACTING]
