"""
A matcher of our own over the bundled operation tables: templates become patterns, and every one of them is tried.

It knows no order but the promised one: segment by segment a literal beats a template with literal parts beats a
parameter beats a multi-segment parameter, which takes as few segments as lead to a match.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CATALOGS = Path(__file__).resolve().parents[2] / "config" / "catalogs"

# Stands between segments: a decoded segment may hold a slash, but nothing that is forwarded holds a NUL.
_BETWEEN = "\0"
_PARAMETER = re.compile(r"\{([^{}]+)\}")
_LITERAL, _MIXED, _SINGLE, _MULTI = range(4)


@dataclass(frozen=True, slots=True)
class Route:
    """
    One operation's template as a pattern with one group a segment.
    """

    name: str
    method: str
    base: str
    effect: str
    content: Mapping[str, str]
    arguments: Mapping[str, Mapping[str, str]]
    pattern: re.Pattern[str]
    kinds: tuple[int, ...]

    def rank(self, joined: str) -> tuple[int, ...] | None:
        """
        Return how specific the template is at each segment of a path, None where it does not match.
        """
        match = self.pattern.fullmatch(joined)
        if match is None:
            return None
        groups = zip(self.kinds, (match[f"s{i}"] for i in range(len(self.kinds))), strict=True)
        return tuple(kind for kind, text in groups for _ in range(1 + text.count(_BETWEEN)))


@dataclass(frozen=True, slots=True)
class Routes:
    """
    One API's operations, the groups of names that mean the same, and the prefixes that stand for others.
    """

    routes: tuple[Route, ...]
    aliases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    prefixes: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    def match(self, base: str, method: str, segments: tuple[str, ...]) -> tuple[frozenset[str], Route | None]:
        """
        Return every name that a request may be called by, and one route that carries it.
        """
        wanted = "GET" if method == "HEAD" else method
        joined = _BETWEEN.join(self._meant(segments))
        ranked = [
            (rank, route)
            for route in self.routes
            if route.base == base and route.method == wanted and (rank := route.rank(joined)) is not None
        ]
        if not ranked:
            return frozenset(), None
        best = min(rank for rank, _ in ranked)
        winners = [route for rank, route in ranked if rank == best]
        names = frozenset(name for route in winners for name in self.aliases.get(route.name, {route.name}))
        return names, winners[0]

    def _meant(self, segments: tuple[str, ...]) -> tuple[str, ...]:
        for prefix, means in self.prefixes:
            if segments[: len(prefix)] == prefix:
                return means + segments[len(prefix) :]
        return segments


def load(api: str) -> Routes:
    """
    Return the routes of a bundled catalogue.
    """
    table = json.loads((CATALOGS / f"{api}.table.json").read_text())
    overlay = yaml.safe_load((CATALOGS / f"{api}.overlay.yaml").read_text())
    aliases: dict[str, frozenset[str]] = {}
    for name, said in (overlay.get("operations") or {}).items():
        if said and "alias_of" in said:
            aliases[name] = aliases[said["alias_of"]] = frozenset({name, said["alias_of"]})
    prefixes = tuple(
        (_segments(one["prefix"]), _segments(one["means"])) for one in overlay["dialect"].get("path_aliases", ())
    )
    effects = {n: s["effect"] for n, s in (overlay.get("operations") or {}).items() if s and "effect" in s}
    return Routes(tuple(_route(one, effects) for one in table["operations"]), aliases, prefixes)


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _route(said: Mapping[str, Any], effects: Mapping[str, str]) -> Route:
    multi = set(said.get("multi_segment", ()))
    pieces = [_piece(segment, multi) for segment in _segments(said["path"])]
    pattern = _BETWEEN.join(f"(?P<s{i}>{text})" for i, (_, text) in enumerate(pieces))
    return Route(
        said["name"],
        said["method"],
        said["base"],
        effects.get(said["name"], said["effect"]),
        said.get("content") or {},
        said.get("arguments") or {},
        re.compile(pattern, re.DOTALL),
        tuple(kind for kind, _ in pieces),
    )


def _piece(segment: str, multi: set[str]) -> tuple[int, str]:
    names = _PARAMETER.findall(segment)
    if not names:
        return _LITERAL, re.escape(segment)
    if names[0] in multi and segment == f"{{{names[0]}}}":
        return _MULTI, f"[^{_BETWEEN}]+(?:{_BETWEEN}[^{_BETWEEN}]+)*?"
    if segment == f"{{{names[0]}}}":
        return _SINGLE, f"[^{_BETWEEN}]+"
    literals = _PARAMETER.split(segment)[::2]
    return _MIXED, f"[^{_BETWEEN}]+".join(re.escape(text) for text in literals)
