"""
Who may make which call at the admin door.

Everyone who is let in may look (GET) and stop. What changes anything has a row here; what has none needs `admin`. A row
is asked before anything is looked at, so that what one may not touch and what is not there look the same. `OWN` asks
for a personal token: whoever approves is a person, and not whoever can read the state folder; for which role, the
suggestion says.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from proxy.control.acting import ADMIN, APPROVER, BREAK_GLASS, RESUME, Operator

ANYONE, OWN = "", "own"

LOOKS = frozenset({"GET", "HEAD"})

WHO: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("POST", "/v1/keys"): ADMIN,
        ("DELETE", "/v1/keys/{kid}"): ADMIN,
        ("POST", "/v1/operators"): ADMIN,
        ("DELETE", "/v1/operators/{kid}"): ADMIN,
        ("POST", "/v1/vault"): ADMIN,
        ("POST", "/v1/vault/{name}"): ADMIN,
        ("POST", "/v1/vault/{name}/versions"): ADMIN,
        ("DELETE", "/v1/vault/{name}"): ADMIN,
        ("DELETE", "/v1/vault/{name}/versions/{number}"): ADMIN,
        ("POST", "/v1/doubt/{intent}/probe"): ADMIN,
        ("POST", "/v1/doubt/{intent}/resolve"): ADMIN,
        ("POST", "/v1/tasks"): ADMIN,
        ("POST", "/v1/tasks/{agent}/{ulid}/close"): ADMIN,
        ("POST", "/v1/tasks/{agent}/{ulid}/tokens"): ADMIN,
        ("POST", "/v1/tokens/revoke"): ADMIN,
        ("POST", "/v1/reload"): ADMIN,
        ("POST", "/v1/restart"): ADMIN,
        ("POST", "/v1/kill"): ANYONE,
        ("POST", "/v1/kill/drill"): ANYONE,
        ("POST", "/v1/resume"): RESUME,
        ("POST", "/v1/break-glass"): BREAK_GLASS,
        ("POST", "/v1/breakers/{key}/force"): RESUME,
        ("POST", "/v1/breakers/{key}/release"): RESUME,
        ("POST", "/v1/suggestions/{id}/approve"): OWN,
        ("POST", "/v1/suggestions/{id}/edit"): OWN,
        ("POST", "/v1/suggestions/{id}/reject"): OWN,
        ("POST", "/v1/reviews/{id}"): APPROVER,
        ("POST", "/v1/drift/{agent}/reset"): RESUME,
        ("POST", "/v1/fleet/{id}/forget"): ADMIN,
    }
)
"""The role that each call needs which changes something, by its method and path."""


STOPPING = frozenset({"/v1/kill", "/v1/kill/drill"})


def may_unheard(method: str, path: str) -> bool:
    """
    Tell whether a personal token is good for a call while nobody knows whether it was revoked elsewhere.
    """
    return method in LOOKS or path in STOPPING


def lacking(method: str, path: str, who: Operator) -> tuple[str, str] | None:
    """
    Return what somebody lacks for a call, and what would help; None where nothing is.
    """
    needed = ANYONE if method in LOOKS else WHO.get((method, path), ADMIN)
    if needed == ANYONE or (needed == OWN and who.personal) or who.holds(needed):
        return None
    if needed == OWN:
        hint = "`breakwater operator mint NAME` makes one; show it with --token FILE or BREAKWATER_OPERATOR_TOKEN"
        return "this needs an operator's own token, and not the one in the state folder", hint
    return f"this needs the role `{needed}`, and {who.name} does not hold it", "see `operators` in the configuration"
