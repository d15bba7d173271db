"""
What the writers do at each API, and what the sandbox behind it knows of it: how often each write was really done.

Every write has a name of its own, which stands in what it says and is found again in the record, in the bytes that
arrived at the sandbox and in what it made.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox

NAME = re.compile(r"write-\d+-\d+-\d+")

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """
    One request as its client would send it again.
    """

    name: str
    agent: str = field(repr=False)
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: bool = False

    @property
    def writes(self) -> bool:
        """
        Tell whether it is a write that may pass.
        """
        return self.method == "POST" and not self.refused

    @property
    def key(self) -> str | None:
        """
        Return the key that it bears.
        """
        return self.headers.get("Idempotency-Key")


class Mix(Protocol):
    """
    The work at one API.
    """

    api: str

    def drawn(self, draw: random.Random, name: str, agent: str, last: Asked | None, *, refuse: bool) -> Asked:
        """
        Return what a writer does next; `last` is its write before, `refuse` whether a refusal may be among it.
        """

    def note(self, asked: Asked, status: int, body: bytes) -> None:
        """
        Learn from an answer what can be read or changed later.
        """

    def done(self) -> Counter[str]:
        """
        Return how often each write took effect.
        """

    def arrived(self) -> Counter[str]:
        """
        Return how often each write arrived.
        """


def _manner(draw: random.Random, name: str, last: Asked | None) -> dict[str, str]:
    """
    Return the headers in which writers differ: a key of their own, another write's, or none; and their patience.
    """
    headers: dict[str, str] = {}
    drawn = draw.random()
    if drawn < 0.05 and last is not None and last.key is not None:
        headers["Idempotency-Key"] = last.key
    elif drawn < 0.7:
        headers["Idempotency-Key"] = name
    # Some do not wait for what may take longer.
    return headers | ({"Breakwater-Deadline-Ms": "5"} if draw.random() < 0.1 else {})


@dataclass(slots=True)
class StripeMix:
    """
    Customers, refunds of one charge, each of another amount, and what is refused.
    """

    sandbox: StripeSandbox
    charge: str
    api: str = "stripe"
    _customers: dict[str, str] = field(default_factory=dict)
    _amounts: int = 50

    def drawn(self, draw: random.Random, name: str, agent: str, last: Asked | None, *, refuse: bool) -> Asked:
        drawn, customer = draw.random(), self._customers.get(agent)
        if drawn < 0.15 and refuse:
            path, form = ("/v1/refunds", self._refund(name, 20_000)) if drawn < 0.1 else ("/v1/prices", {"name": name})
            return Asked(name, agent, "POST", path, urlencode(form).encode(), _FORM, refused=True)
        if drawn < 0.35 and customer is not None:
            return Asked(name, agent, "GET", f"/v1/customers/{customer}")
        path, form = "/v1/customers", {"name": name}
        if drawn < 0.45:
            self._amounts += 1
            path, form = "/v1/refunds", self._refund(name, self._amounts)
        elif drawn < 0.55 and customer is not None:
            path = f"/v1/customers/{customer}"
        manner = _manner(draw, name, last)
        return Asked(name, agent, "POST", path, urlencode(form).encode(), {**_FORM, **manner})

    def _refund(self, name: str, amount: int) -> dict[str, str]:
        return {"charge": self.charge, "amount": str(amount), "metadata[name]": name}

    def note(self, asked: Asked, status: int, body: bytes) -> None:
        if asked.path == "/v1/customers" and asked.writes and status == 200:
            self._customers[asked.agent] = json.loads(body)["id"]

    def done(self) -> Counter[str]:
        keys = {
            (found[0], key)
            for seen in self.sandbox.wiretap.requests
            if (found := NAME.findall(seen.body.decode())) and (key := seen.header("Idempotency-Key"))
        }
        counted: Counter[str] = Counter()
        for name, key in keys:
            counted[name] += sum(self.sandbox.effects_by_key[key].values())
        return counted

    def arrived(self) -> Counter[str]:
        return _arrived(self.sandbox.wiretap._wires)


@dataclass(slots=True)
class GithubMix:
    """
    Issues and comments, at an API that knows no keys: whatever arrives there is done.
    """

    sandbox: GithubSandbox
    api: str = "github"

    def drawn(self, draw: random.Random, name: str, agent: str, last: Asked | None, *, refuse: bool) -> Asked:
        drawn = draw.random()
        if drawn < 0.1 and refuse:
            return Asked(name, agent, "DELETE", "/repos/ada/engine", refused=True)
        if drawn < 0.3:
            return Asked(name, agent, "GET", "/repos/ada/engine/issues/1")
        path, said = "/repos/ada/engine/issues", {"title": name}
        if drawn < 0.55:
            path, said = "/repos/ada/engine/issues/1/comments", {"body": name}
        manner = _manner(draw, name, last)
        return Asked(name, agent, "POST", path, json.dumps(said).encode(), {**_JSON, **manner})

    def note(self, asked: Asked, status: int, body: bytes) -> None:
        pass

    def done(self) -> Counter[str]:
        repo = self.sandbox.world.repo("ada/engine")
        made = [*(issue.title for issue in repo.issues.values()), *(note.body for note in repo.comments.values())]
        return Counter(text for text in made if NAME.fullmatch(text or ""))

    def arrived(self) -> Counter[str]:
        return _arrived(self.sandbox.wiretap._wires)


def _arrived(wires: list[bytearray]) -> Counter[str]:
    # From the bytes that arrived: a request whose connection broke with the kill may never have been handled.
    return Counter(name for wire in wires for name in NAME.findall(wire.decode("latin-1")))
