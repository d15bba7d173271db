"""
The people who look, stop, approve and resume: their names, and the roles that say what each may do.

Every operator may look and may stop. Some roles mean something by themselves; every other name is one that a card asks
for (`approve: {by: finance}`), and whoever holds it may approve what waits for it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from config.faults import Unreadable
from config.written import Name, Strict

ADMIN, APPROVER, RESUME, BREAK_GLASS = "admin", "approver", "resume", "break-glass"
"""The roles that mean something by themselves."""

RESERVED = "admin"
"""What whoever holds the token in the state folder is called on record: nobody else is."""


def _read_roles(written: object) -> object:
    if not isinstance(written, list | tuple):
        raise Unreadable("this must be a list of roles", "write `[approver, finance]`")
    if len(set(map(str, written))) < len(written):
        raise Unreadable("a role stands here twice", "list each once")
    return written


class OperatorCard(Strict):
    """
    One operator. Whoever has no role may look and stop, and nothing else.
    """

    roles: Annotated[tuple[Name, ...], BeforeValidator(_read_roles)] = Field(default=(), validate_default=True)
    """What he or she may do: `approver`, `resume`, `break-glass`, `admin`, or a role that a card asks for."""
