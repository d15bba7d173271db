"""
Hypermedia between one API and one caller: which of its URLs become which door's, and back.

Every base of an API has a door, and a caller reaches all of them the way it came: by ports, under a prefix, by hosts,
through a socket. So what an upstream says (its configured origin, its catalogue's own, the aliases) becomes what this
caller would write, and what this caller writes becomes the catalogue's own origin, which is the one that a vendor
knows, or the configured one where the catalogue has none.

Stored answers hold what the upstream said; each is made presentable for the door that asks, at the last moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from breakers.verdict import Reason
from config.consistency import host_of
from config.dialect import LinkName
from config.settings import EVERY_BASE
from proxy.account import Account
from proxy.answer import Answer, Streamed
from proxy.doors import SHARED, Came, Door, Style
from proxy.errors import Refused
from proxy.origins import NOWHERE, Places
from proxy.rewrite import rewrite_json, rewrite_link, rewrite_target

Headers = tuple[tuple[str, str], ...]
Shown = TypeVar("Shown", bound=Answer)

JSON_TYPES = frozenset({"application/json", "text/json"})

NAMED_BY_CHANCE = frozenset({Style.PORT, Style.PREFIX})
"""Ways in on which a `Host` is only believed: nobody configured it, and no socket holds its client to this door."""

TARGETS = frozenset({"location", "content-location"})

LEADING = TARGETS | {"link"}
"""Headers in which URLs are put right."""

TABLES_KEPT = 256
"""Of callers' ways: some for each door. What a caller writes into `Host` is its own, so there must be a bound."""

NO_DOOR = "http://{}.invalid"
"""Where a base has no URL that this caller could use: a name that leads nowhere (RFC 2606), never past Breakwater."""


@dataclass(frozen=True, slots=True)
class Links:
    """
    How URLs change between an API and one caller; `verbatim` are media types whose bodies are somebody's file, `names`
    what its page links call by another name.
    """

    came: Came
    out: Places
    into: Places
    verbatim: frozenset[str] = frozenset()
    names: tuple[LinkName, ...] = ()

    def covers(self, headers: Headers) -> bool:
        """
        Tell whether an answer with these headers is JSON of the API's own, in which URLs are put right.
        """
        said = [value for name, value in headers if name == "content-type"]
        return _is_json(tuple(said), self.verbatim)

    def shown(self, answer: Shown) -> Shown:
        """
        Return an answer of the upstream as this caller is shown it; one of ours as it is.
        """
        if not answer.url:
            return answer
        headers = self._headers(answer.headers, answer.url)
        if isinstance(answer, Streamed) or not answer.body or not self.covers(headers):
            return answer if headers is answer.headers else replace(answer, headers=headers)
        body = rewrite_json(answer.body, self.out)
        if headers is answer.headers and body is answer.body:
            return answer
        return replace(answer, headers=headers, body=body)

    def _headers(self, headers: Headers, about: str) -> Headers:
        for name, _ in headers:
            if name in LEADING:
                return tuple([(name, self._header(name, value, about)) for name, value in headers])
        return headers

    def _header(self, name: str, value: str, about: str) -> str:
        if name in TARGETS:
            return rewrite_target(value, about, self.out)
        return rewrite_link(value, about, self.out, self.names) if name == "link" else value


@lru_cache(maxsize=1024)
def _is_json(said: tuple[str, ...], verbatim: frozenset[str]) -> bool:
    """
    Tell whether what is said of a type means JSON of the API's own; what answers say of it is nearly always the same.
    """
    essences = {value.partition(";")[0].strip().lower() for value in said}
    # Whoever does not say what it is is read by its content, as most clients do.
    return any((e in JSON_TYPES or e.endswith("+json")) and e not in verbatim for e in essences - {""} or JSON_TYPES)


NO_LINKS = Links(Came(Door(""), Style.PORT), NOWHERE, NOWHERE)


class Ways:
    """
    The ways in to every API: what each caller would write for each base of it.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        doors: Mapping[str, Door],
        hosts: Mapping[str, str],
        addresses: Mapping[str, str],
    ) -> None:
        self._accounts, self._doors, self._hosts, self._addresses = accounts, doors, hosts, addresses
        self.of = lru_cache(maxsize=TABLES_KEPT)(self._of)

    def _of(self, came: Came, host: str, port: int | None) -> Links:
        """
        Return how URLs change for a caller that came this way under this host and port.

        Raise `Refused` (`door-unknown`) where what this caller would write is where the API itself answers.
        """
        account = self._accounts[came.door.api]
        doors = sorted(
            (door for door in self._doors.values() if door.api == account.name),
            key=lambda door: door.name != came.door.name,
        )
        # The base that was asked comes first: where two bases answer at one origin, a URL of it leads back there.
        reached = {door.name: self._reached(came, door, host, port) for door in doors}
        out = [(origin, reached[door.name]) for door in doors for origin in _origins(account, door.base)]
        out += [(str(origin), reached[came.door.name]) for origin in account.aliases.get(EVERY_BASE, ())]
        if came.style in NAMED_BY_CHANCE and any(Places(out).beginning(url) for url in reached.values()):
            raise Refused(Reason.DOOR_UNKNOWN, "The Host header names where the API itself answers, not a door.")
        into = [
            (place, _canonical(account, door.base))
            for door in doors
            for place in (reached[door.name], *self._written(door))
        ]
        return Links(came, Places(out), Places(into), account.dialect.verbatim_types, account.dialect.link_names)

    def _reached(self, came: Came, door: Door, host: str, port: int | None) -> str:
        """
        Return the URL of a door of the same API, as this caller reaches it.
        """
        authority = host if port is None else f"{host}:{port}"
        if came.style is Style.PREFIX:
            return f"http://{authority}/{door.name}"
        if door.name == came.door.name:
            return f"http://{authority}"
        if came.style is Style.PORT:
            port_of = self._addresses[door.name].rpartition(":")[2]
            return NO_DOOR.format(door.name) if door.unix else f"http://{host}:{port_of}"
        other = self._host_like(host, came.door, door)
        return f"http://{other}" if port is None else f"http://{other}:{port}"

    def _host_like(self, host: str, came: Door, door: Door) -> str:
        """
        Return the host of another door: configured where this caller's was, where there is one.
        """
        own = host_of(door.name)
        if host == host_of(came.name):
            return own
        return next((other for other, name in self._hosts.items() if name == door.name and other != own), own)

    def _written(self, door: Door) -> Iterator[str]:
        """
        Yield the URLs of a door that `run.json` and the manual give.
        """
        if not door.unix:
            yield self._addresses[door.name]
        if SHARED in self._doors and not self._doors[SHARED].unix:
            yield f"{self._addresses[SHARED]}/{door.name}"


def _origins(account: Account, base: str) -> Iterator[str]:
    yield str(account.origins[base]).rstrip("/")
    if (own := account.dialect.origins.get(base)) is not None:
        yield own
    yield from (str(origin) for origin in account.aliases.get(base, ()))


def _canonical(account: Account, base: str) -> str:
    return account.dialect.origins.get(base) or str(account.origins[base]).rstrip("/")
