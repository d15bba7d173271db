"""Scopes of the stop as people write them, held against what there is: a word that stops nothing is said at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from breakers.known import Earlier
from breakers.stops import ALL
from breakers.store.events import IntentOpened
from config.faults import did_you_mean
from config.routes import Catalog
from proxy.errors import StartRefused

__all__ = ["covers", "read_scope"]

SCOPES_HINT = "write `all`, `api:NAME`, `agent:NAME`, `task:ID` or `op:[API:]OPERATION`"

_TASK = re.compile(r"([a-z0-9_-]{1,63})/[0-9A-Za-z-]{1,64}")


def read_scope(written: str, catalogs: Mapping[str, Catalog], agents: Collection[str]) -> str:
    """
    Return a scope.

    Raise `StartRefused` where it is none, or names what is not there.
    """
    kind, _, name = written.partition(":")
    match kind:
        case "all" if written == ALL:
            return ALL
        case "api":
            _known(name, catalogs, "API")
        case "agent":
            _known(name, agents, "agent")
        case "task":
            found = _TASK.fullmatch(name)
            if found is None:
                raise StartRefused(f"`{name[:80]}` is no task", "`breakwater task show` prints their ids")
            _known(found[1], agents, "agent")
        case "op":
            _operation(name, catalogs)
        case _:
            raise StartRefused(f"`{written[:80]}` is no scope", SCOPES_HINT)
    return written


def covers(scope: str, opened: IntentOpened | Earlier) -> bool:
    """
    Tell whether a write of which only its record is known may be in a scope: rather one too many.
    """
    kind, _, name = scope.partition(":")
    match kind:
        case "api":
            return opened.api == name
        case "agent":
            return opened.agent == name
        case "task":
            # Which tasks stand above it, the record does not say.
            return opened.agent == name.partition("/")[0]
        case "op":
            return name in {opened.operation, f"{opened.api}:{opened.operation}"}
        case _:
            return scope == ALL


def _known(name: str, names: Collection[str], what: str) -> None:
    if name not in names:
        raise StartRefused(f"no {what} is called `{name[:80]}`", did_you_mean(name, names))


def _operation(written: str, catalogs: Mapping[str, Catalog]) -> None:
    api, separator, name = written.partition(":")
    if separator:
        _known(api, catalogs, "API")
        among = {api: catalogs[api]}
    else:
        name, among = written, dict(catalogs)
    if not any(catalog.named(name) for catalog in among.values()):
        specs = [spec for catalog in among.values() for spec in catalog.operations.values()]
        known = [one for spec in specs for one in spec.names]
        raise StartRefused(f"there is no operation `{name[:80]}`", did_you_mean(name, known))
