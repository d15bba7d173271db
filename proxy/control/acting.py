"""Who acts at the admin door: an operator and the roles that say what he or she may do."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from config.operators import ADMIN, APPROVER, BREAK_GLASS, RESERVED, RESUME

__all__ = ["ACTING", "ADMIN", "APPROVER", "BREAK_GLASS", "HOUSE", "RESUME", "Operator", "acting"]


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Whoever showed an operator's token. Everyone may look and stop; the rest is by role.

    `personal` tells that the token is one person's own, and not the one that lies in the state folder.
    """

    name: str
    roles: frozenset[str]
    personal: bool = True

    def holds(self, role: str) -> bool:
        """
        Tell whether he or she has this role.
        """
        return role in self.roles


HOUSE = Operator(RESERVED, frozenset({ADMIN, RESUME}), personal=False)
"""Who holds the token that lies in the state folder."""

ACTING = web.RequestKey("acting", Operator)


def acting(request: web.Request) -> Operator:
    """
    Return who made a request at the admin door.
    """
    return request[ACTING]
