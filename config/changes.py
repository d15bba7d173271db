"""
What differs between two configurations, by the path under which it is written, and what a running process can take.

A policy is replaced whole, so whatever judgement alone reads may change: cards, teams, caps, prices, operators, and the
settings of judgement. What was opened, bound or read at the start (doors, upstreams, credentials, catalogues, the
ledger, the store) stays as it is until the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from config.load import Configuration
from config.settings import EVERY_BASE

_LIVE = re.compile(
    r"(agents|teams|operators)\.[^.]+|apis\.[^.]+\.(breaker|caps|prices|tz)(\..+)?|idempotency\.duplicates|(tasks|conditions|suggestions|reviews|keys|kill)\..+"
)


def changed(before: Configuration, after: Configuration) -> tuple[str, ...]:
    """
    Return what differs, sorted; of an agent and of a team only that it does.
    """
    found = [*_different(before.settings, after.settings, "")]
    found += _different(before.apis, after.apis, "apis")
    found += _members(before.agents, after.agents, "agents")
    found += _members(before.teams, after.teams, "teams")
    found += _members(before.operators, after.operators, "operators")
    catalogs = before.catalogs.keys() & after.catalogs.keys()
    found += [f"apis.{api}.catalog" for api in catalogs if before.catalogs[api].digest != after.catalogs[api].digest]
    return tuple(sorted(set(found)))


def needs_start(path: str) -> bool:
    """
    Tell whether a change is only taken at a start.
    """
    return not _LIVE.fullmatch(path)


def _members(before: Mapping[str, object], after: Mapping[str, object], at: str) -> Iterator[str]:
    for name in before.keys() | after.keys():
        if name not in before or name not in after or before[name] != after[name]:
            yield f"{at}.{name}"


def _different(before: object, after: object, at: str) -> Iterator[str]:
    if isinstance(before, BaseModel) and type(before) is type(after):
        for name, field in type(before).model_fields.items():
            written = field.alias or name
            yield from _different(getattr(before, name), getattr(after, name), f"{at}.{written}" if at else written)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in before.keys() | after.keys():
            # What was written once, for every base, has no name of its own.
            where = at if name == EVERY_BASE else f"{at}.{name}"
            if name in before and name in after:
                yield from _different(before[name], after[name], where)
            else:
                yield where
    elif before != after:
        yield at
