"""
The upstreams of the client tests: the sandboxes, and another author's fake behind a forwarder that writes down.

Each numbers what it is sent and says the number in the header that its catalogue calls the request's id, so that a
record can be held against the very request that it is about.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.github.errors import GithubError
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.wiretap import Seen, credential
from tests.clients.nodejs import running_script
from tests.harness import in_thread

# The sandboxes' clock stands still: what was made in one second must not depend on how fast a machine is.
NOW = 1_790_000_000.0

# Where the real GitHub is, as its own answers say.
API, UPLOADS = "https://api.github.com", "https://uploads.github.com"

# A site of the cloud, as its own answers name it.
SITE = "https://shop.atlassian.test"

# With these a list of projects has a second page.
PROJECTS_MORE = 50

_FORWARD_S = 20.0
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Ends:
    """
    Two upstreams of one kind, as new: one for clients that come directly, one behind Breakwater.
    """

    plain: Sandbox
    behind: Sandbox
    forget: Callable[[], object]

    def reset(self) -> None:
        """
        Make both forget what was done and seen.
        """
        self.forget()
        for end in (self.plain, self.behind):
            end.faults.clear()
            end.reset()
            end.wiretap.clear()


class NumberedJira(JiraSandbox):
    """
    A Jira that says which request it was.
    """

    def dressed(self, seen: Seen, answer: Answer) -> Answer:
        told = super().dressed(seen, answer)
        number = f"{len(self.wiretap.requests):04X}:"
        return Answer(told.status, told.body, told.headers | {"Atl-TraceId": number})


class Forwarder(Sandbox):
    """
    A stop on the way to a server: it writes down and passes on, under the name that it was called by or the server's.
    """

    def __init__(self, secret: str, *, keeps_host: bool) -> None:
        self.target = ""
        self._keeps_host = keeps_host
        super().__init__(secret=secret)

    @property
    def effects(self) -> Counter[str]:
        return Counter()

    def reset(self) -> None:
        pass

    def failed(self, status: Status) -> Answer:
        return GithubError(status.status, status.message, headers=status.headers).answer()

    async def answer(self, seen: Seen, fault: Fault) -> Answer:
        number = f"{len(self.wiretap.requests):04X}:"
        shown = credential(seen.header("Authorization"), "token")
        if shown is not None:
            self.wiretap.credentials[shown] += 1
        if isinstance(fault.act, Status):
            done = self.failed(fault.act)
        else:
            done = await asyncio.to_thread(self._forwarded, seen)
        return Answer(done.status, done.body, done.headers | {"X-GitHub-Request-Id": number})

    def _forwarded(self, seen: Seen) -> Answer:
        target = urlsplit(self.target).netloc
        headers = {name.decode(): value.decode("latin-1") for name, value in seen.headers}
        if not self._keeps_host:
            headers["Host"] = target
        connection = http.client.HTTPConnection(target, timeout=_FORWARD_S)
        try:
            connection.request(seen.method, seen.target, seen.body or None, headers)
            answered = connection.getresponse()
            body = answered.read()
        finally:
            connection.close()
        kept = {name.title(): value for name, value in answered.getheaders() if name.lower() not in _HOP_BY_HOP}
        return Answer(answered.status, body, kept)


@contextlib.contextmanager
def github_ends(secret: str) -> Iterator[Ends]:
    """
    Run two GitHub sandboxes; the bodies of the one behind name the real GitHub, as its own do.
    """
    with (
        in_thread(GithubSandbox(secret=secret, clock=lambda: NOW)) as plain,
        in_thread(GithubSandbox(secret=secret, clock=lambda: NOW, base_url=API, uploads_url=UPLOADS)) as behind,
    ):
        yield Ends(plain, behind, lambda: None)


@contextlib.contextmanager
def emulate_ends(secret: str, folder: Path) -> Iterator[Ends]:
    """
    Run emulate's GitHub twice, each behind a forwarder: the one behind Breakwater names the real GitHub in its bodies
    and itself in `Link`.
    """
    seed = {
        "tokens": {secret: {"login": "ada", "scopes": ["repo"]}},
        "github": {
            "users": [{"login": "ada", "name": "Ada"}, {"login": "grace", "name": "Grace"}],
            "repos": [{"owner": "ada", "name": "engine", "auto_init": True}],
        },
    }
    with (
        in_thread(Forwarder(secret, keeps_host=True)) as plain,
        in_thread(Forwarder(secret, keeps_host=False)) as behind,
        running_script(folder, "emulate.mjs", "lines.mjs") as script,
    ):
        bases = [plain.url, API]
        plain.target, behind.target = script.ask({"seed": seed, "bases": bases})
        yield Ends(plain, behind, lambda: script.ask({}))


@contextlib.contextmanager
def jira_ends(secret: str, user: str) -> Iterator[Ends]:
    """
    Run two Jira sandboxes; the answers of the one behind name a site of the cloud.
    """
    projects = [("SHOP", "Shop"), *((f"OPS{n}", f"Operations {n}") for n in range(PROJECTS_MORE))]
    site: dict[str, Any] = {"secret": secret, "user": user, "clock": lambda: NOW, "projects": projects}
    with (
        in_thread(NumberedJira(**site)) as plain,
        in_thread(NumberedJira(**site, base_url=SITE)) as behind,
    ):
        yield Ends(plain, behind, lambda: None)


@contextlib.contextmanager
def stripe_ends(secret: str) -> Iterator[Ends]:
    """
    Run two Stripe sandboxes; Stripe's answers name no address.
    """
    with in_thread(StripeSandbox(secret=secret)) as plain, in_thread(StripeSandbox(secret=secret)) as behind:
        yield Ends(plain, behind, lambda: None)
