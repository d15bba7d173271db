"""Configurations of tests that break upstreams on purpose, and are about something else than breakers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unbroken(document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a configuration in which no breaker counts failures, but where an API or a card says so itself.
    """
    parts = {part: document[part] for part in ("apis", "agents") if part in document}
    return {**document, **{part: _off(named) for part, named in parts.items()}}


def _off(named: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    return {name: {"breaker": False, **one} for name, one in named.items()}
