"""
Who answers a call at a parent's admin door: one row for each route of the admin application.

| | |
|---|---|
| `ANY` | the first worker that serves: what is asked is shared, or that worker asks the others for it |
| `ALL` | every worker, at the same time: it has to bind each of them, whether or not they hear of each other |
| `KEEPER` | the first worker and no other, and then the others take what it has changed: there is one vault |
| `MERGED` | the first worker that serves, and every one where that one did not hear of the others |
| `EACH` | the first worker that serves, which has every process do it, and each worker that it did not reach |
| `PARENT` | the parent itself, of what it knows or is told by all |

What is no row here is asked of a worker, which says that it is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Spread(StrEnum):
    """
    Who answers.
    """

    ANY = "any"
    ALL = "all"
    KEEPER = "keeper"
    MERGED = "merged"
    EACH = "each"
    PARENT = "parent"


ANY, ALL, KEEPER, MERGED, EACH, PARENT = Spread

SPREAD: Mapping[tuple[str, str], Spread] = MappingProxyType(
    {
        ("GET", "/livez"): PARENT,
        ("GET", "/readyz"): PARENT,
        ("GET", "/metrics"): PARENT,
        ("GET", "/v1/status"): MERGED,
        ("GET", "/v1/restart"): PARENT,
        ("POST", "/v1/restart"): PARENT,
        ("POST", "/v1/reload"): PARENT,
        ("POST", "/v1/keys"): ANY,
        ("GET", "/v1/keys"): ANY,
        ("DELETE", "/v1/keys/{kid}"): ALL,
        ("POST", "/v1/operators"): ANY,
        ("GET", "/v1/operators"): ANY,
        ("DELETE", "/v1/operators/{kid}"): ALL,
        ("GET", "/v1/vault"): KEEPER,
        ("POST", "/v1/vault"): KEEPER,
        ("POST", "/v1/vault/{name}"): KEEPER,
        ("POST", "/v1/vault/{name}/versions"): KEEPER,
        ("DELETE", "/v1/vault/{name}"): KEEPER,
        ("DELETE", "/v1/vault/{name}/versions/{number}"): KEEPER,
        ("GET", "/v1/doubt"): MERGED,
        ("POST", "/v1/doubt/{intent}/probe"): ANY,
        ("POST", "/v1/doubt/{intent}/resolve"): ANY,
        ("POST", "/v1/tasks"): ANY,
        ("GET", "/v1/tasks"): ANY,
        ("GET", "/v1/tasks/{agent}/{ulid}"): ANY,
        ("POST", "/v1/tasks/{agent}/{ulid}/close"): ANY,
        ("POST", "/v1/tasks/{agent}/{ulid}/tokens"): ANY,
        ("POST", "/v1/tokens/revoke"): ANY,
        ("GET", "/v1/timeline"): MERGED,
        ("GET", "/v1/whose/{kind}/{id}"): ANY,
        ("GET", "/v1/spend"): ANY,
        ("GET", "/v1/drift"): MERGED,
        ("POST", "/v1/drift/{agent}/reset"): EACH,
        ("GET", "/v1/fleet"): ANY,
        ("POST", "/v1/fleet/{id}/forget"): ANY,
        ("GET", "/v1/reviews"): MERGED,
        ("POST", "/v1/reviews/{id}"): ANY,
        ("GET", "/v1/suggestions"): MERGED,
        ("GET", "/v1/suggestions/{id}"): ANY,
        ("POST", "/v1/suggestions/{id}/approve"): ANY,
        ("POST", "/v1/suggestions/{id}/edit"): ANY,
        ("POST", "/v1/suggestions/{id}/reject"): ANY,
        ("GET", "/v1/breakers"): ANY,
        ("GET", "/v1/breakers/{key}"): ANY,
        ("POST", "/v1/breakers/{key}/force"): ANY,
        ("POST", "/v1/breakers/{key}/release"): ANY,
        ("POST", "/v1/kill"): ALL,
        ("GET", "/v1/kill"): MERGED,
        ("POST", "/v1/kill/drill"): ANY,
        ("POST", "/v1/resume"): ANY,
        ("POST", "/v1/break-glass"): ANY,
    }
)
"""Who answers each call, by its method and path."""
