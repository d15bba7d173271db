"""
The sandbox: one Jira Cloud site behind one person's token, in versions 2 and 3 of its REST API.

`Basic EMAIL:TOKEN` and `Bearer TOKEN` both get in; without either there is nothing to see, as on a site that shows
nothing to strangers. There are no idempotency keys: a request that comes twice is done twice. A retried write is
found out by searching, and the search lags by `search_lag_s` behind what was written from then on.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.effects import Effects
from loadtest.upstreams.faults import Status
from loadtest.upstreams.jira.account import Account
from loadtest.upstreams.jira.asked import Asked, View
from loadtest.upstreams.jira.errors import JiraError
from loadtest.upstreams.jira.routes import PREFIX, route
from loadtest.upstreams.jira.said import said
from loadtest.upstreams.jira.words import PROJECTS, people
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.wiretap import Seen

_VERSIONS = {"2": 2, "3": 3, "latest": 2}


class JiraSandbox(Sandbox):
    """
    One site, listening while entered. `base_url` is the address that its answers name; its own unless told otherwise.
    """

    def __init__(
        self,
        *,
        secret: str = "sandbox-secret",
        user: str = "bot@shop.test",
        base_url: str | None = None,
        search_lag_s: float = 0.0,
        projects: Iterable[tuple[str, str]] = PROJECTS,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        self.user = user
        self.base_url = base_url
        self._projects = tuple(projects)
        self._lag_s = search_lag_s
        super().__init__(secret=secret, seed=seed, clock=clock, port=port)

    knobs = ("search_lag_s",)

    @property
    def search_lag_s(self) -> float:
        """
        Return how long after a writing a search finds it.
        """
        return self._lag_s

    @search_lag_s.setter
    def search_lag_s(self, seconds: float) -> None:
        self._lag_s = self.account.index.lag_s = seconds

    @property
    def effects(self) -> Effects:
        """
        Return how often each effect happened.
        """
        return self.account.effects

    def counted(self) -> dict[str, object]:
        """
        Return the counters as the control door shows them.
        """
        by_object = {key: dict(effects) for key, effects in self.account.effects.by_object.items()}
        return {"effects": dict(self.effects), "by_object": by_object}

    def reset(self) -> None:
        """
        Forget every issue and effect; what was seen, which faults are in force and the lag stay.
        """
        self.account = Account(self.clock, people(self.user), self._projects)
        self.account.index.lag_s = self._lag_s
        self._requests = 0

    def authenticate(self, seen: Seen) -> None:
        """
        Let in whoever shows the token, with the right address if it comes with one.
        """
        user, token = _credential(seen.header("Authorization"))
        if token is not None:
            self.wiretap.credentials[token] += 1
        if token != self.secret or user not in {None, self.user}:
            raise JiraError(401, "Client must be authenticated to access this resource.")

    def work(self, seen: Seen) -> Answer:
        """
        Do what a request asks for.
        """
        version, _, path = seen.path.removeprefix(PREFIX).partition("/")
        handlers, ids = route(path)
        if not seen.path.startswith(PREFIX) or version not in _VERSIONS or not handlers:
            raise JiraError(404, f"null for uri: {self.url}{seen.path}")
        if seen.method not in handlers:
            raise JiraError(405, "Method Not Allowed")
        asked = Asked(
            View(self.account, self.base_url or self.url, _VERSIONS[version]),
            ids,
            parse_qs(seen.target.partition("?")[2], keep_blank_values=True),
            seen.header("Content-Type") or "",
            seen.header("X-Atlassian-Token"),
            seen.body,
        )
        return handlers[seen.method](asked)

    def failed(self, status: Status) -> Answer:
        """
        Return a failure on command as Jira words one.
        """
        answer = said(status.status, {"errorMessages": [status.message], "errors": {}})
        headers = {} if status.retry_after_s is None else {"Retry-After": str(status.retry_after_s)}
        if status.status == 429:
            headers |= {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0"}
        return Answer(answer.status, answer.body, answer.headers | headers)

    def dressed(self, seen: Seen, answer: Answer) -> Answer:  # noqa: ARG002 - Jira's headers echo nothing
        """
        Add the headers that every answer of Jira's has.
        """
        self._requests += 1
        headers = {"X-ARequestId": f"{self._requests:032x}", "Cache-Control": "no-cache, no-store, no-transform"}
        return Answer(answer.status, answer.body, headers | answer.headers)


def _credential(header: str | None) -> tuple[str | None, str | None]:
    """
    Return whom a header names, if anybody, and the token in it.
    """
    scheme, _, value = (header or "").partition(" ")
    match scheme.lower():
        case "bearer":
            return None, value.strip()
        case "basic":
            try:
                user, _, token = base64.b64decode(value, validate=True).decode().partition(":")
            except ValueError:
                return None, value
            return user, token
        case _:
            return None, None
