"""
The GitHub sandbox: one user's token, and the repositories that it may see and change.

Nothing here is done at most once: GitHub knows no idempotency keys, and a POST that is sent again makes a second
object, which the counters show.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.effects import Effects
from loadtest.upstreams.faults import Status
from loadtest.upstreams.github.call import VERSION_DEFAULT, Call, Urls
from loadtest.upstreams.github.errors import GithubError
from loadtest.upstreams.github.people import RATE_LIMIT, reset_at
from loadtest.upstreams.github.routes import Found, route
from loadtest.upstreams.github.state import Repo, World
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.wiretap import Seen, credential


class GithubSandbox(Sandbox):
    """
    A GitHub behind one token, listening while entered; the API and its uploads are the same address, `url`.

    `base_url` and `uploads_url` are what addresses in bodies begin with, `link_url` those in `Link` and `Location`;
    each is `url` unless told. With `by_id`, `Link` and redirects name a repository by its id, as GitHub's own do.
    """

    def __init__(
        self,
        *,
        secret: str = "sandbox-secret",
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        port: int = 0,
        login: str = "ada",
        repos: Sequence[str] = ("ada/engine", "looms/site"),
        people: Sequence[str] = ("grace",),
        base_url: str | None = None,
        uploads_url: str | None = None,
        link_url: str | None = None,
        by_id: bool = False,
        list_lag_s: float = 0.0,
    ) -> None:
        self._seeded = login, tuple(repos), tuple(people)
        self._told = base_url, uploads_url, link_url
        self._by_id = by_id
        self._lag_s = list_lag_s
        super().__init__(secret=secret, seed=seed, clock=clock, port=port)

    knobs = ("list_lag_s",)

    @property
    def list_lag_s(self) -> float:
        """
        Return for how long a list does not show yet what was made.
        """
        return self._lag_s

    @list_lag_s.setter
    def list_lag_s(self, seconds: float) -> None:
        self._lag_s = self.world.list_lag_s = seconds

    @property
    def effects(self) -> Effects:
        """
        Return how often each effect happened, and by object (`issue:OWNER/NAME/NUMBER`).
        """
        return self.world.effects

    @property
    def urls(self) -> Urls:
        """
        Return what addresses in answers begin with.
        """
        base, uploads, links = self._told
        return Urls(base or self.url, uploads or base or self.url, links or self.url)

    def counted(self) -> dict[str, object]:
        """
        Return the counters, and those of each object.
        """
        by_object = {name: dict(effects) for name, effects in self.effects.by_object.items()}
        return super().counted() | {"by_object": by_object}

    def reset(self) -> None:
        """
        Forget everything that was done: people and repositories are as they were at first.
        """
        login, repos, people = self._seeded
        self.world = World(self.clock, login)
        self.world.list_lag_s = self._lag_s
        for name in people:
            self.world.person(name)
        for name in repos:
            self.world.repo(name)

    def add_repo(self, full_name: str) -> Repo:
        """
        Make one more repository; its owner is made with it.
        """
        return self.world.repo(full_name)

    def rename(self, full_name: str, new: str) -> None:
        """
        Rename a repository; the old name answers with a redirect from now on.
        """
        self.world.rename(full_name, new)

    def authenticate(self, seen: Seen) -> None:
        """
        Take `Bearer`, `token` and Basic; count what was shown. Who does not say what it is gets nothing, as at GitHub.
        """
        if not seen.header("User-Agent"):
            message = "Request forbidden by administrative rules: it has no User-Agent header"
            raise GithubError(403, message)
        shown = credential(seen.header("Authorization"), "token")
        if shown is not None:
            self.wiretap.credentials[shown] += 1
        if shown != self.secret:
            raise GithubError(401, "Requires authentication" if shown is None else "Bad credentials")

    def work(self, seen: Seen) -> Answer:
        """
        Do what a request asks for, unless it is to be asked at another address, or nothing changed since it last was.
        """
        path, _, query = seen.target.partition("?")
        self.world.requests += path != "/rate_limit"
        found = route(self.world, seen.method, path)
        if found.moved and found.repo is not None:
            return self._elsewhere(seen, found, found.repo, query)
        link = path if found.repo is None or not self._by_id else f"/repositories/{found.repo.id}{found.below}"
        call = Call(self.world, self.urls, seen, link, dict(parse_qsl(query, keep_blank_values=True)))
        answer = found.handler(call, *found.arguments)
        return _tagged(seen, answer) if seen.method in {"GET", "HEAD"} else answer

    def _elsewhere(self, seen: Seen, found: Found, repo: Repo, query: str) -> Answer:
        """
        Redirect: for good where only reading is repeated, so that no client turns a write into a read otherwise.
        """
        where = f"/repositories/{repo.id}" if self._by_id else f"/repos/{repo.full_name}"
        location = f"{self.urls.links}{where}{found.below}" + (f"?{query}" if query else "")
        permanent = seen.method in {"GET", "HEAD"}
        body = {"message": "Moved Permanently" if permanent else "Temporary Redirect", "url": location}
        body["documentation_url"] = "https://docs.github.com/rest"
        return Answer.of(301 if permanent else 307, body, Location=location)

    def failed(self, status: Status) -> Answer:
        """
        Return a failure on command as GitHub words its own.
        """
        return GithubError(status.status, status.message, headers=status.headers).answer()

    def dressed(self, seen: Seen, answer: Answer) -> Answer:
        """
        Add the headers that every answer of GitHub's has.
        """
        used, now = self.world.requests % RATE_LIMIT, self.world.now()
        headers = {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": f"{len(self.wiretap.requests):04X}:{now:08X}",
            "X-GitHub-Api-Version-Selected": seen.header("X-GitHub-Api-Version") or VERSION_DEFAULT,
            "X-RateLimit-Limit": str(RATE_LIMIT),
            "X-RateLimit-Remaining": str(RATE_LIMIT - used),
            "X-RateLimit-Reset": str(reset_at(now)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Resource": "core",
        }
        if answer.body:
            headers["Content-Type"] = "application/json; charset=utf-8"
        return Answer(answer.status, answer.body, headers | answer.headers)


def _tagged(seen: Seen, answer: Answer) -> Answer:
    """
    Give an answer its tag, and leave its body out where the client has the same one.
    """
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
    headers = answer.headers | {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60"}
    known = {each.strip().removeprefix("W/") for each in (seen.header("If-None-Match") or "").split(",")}
    if answer.status == 200 and known & {"*", tag.removeprefix("W/")}:
        return Answer(304, b"", {name: value for name, value in headers.items() if name != "Content-Type"})
    return Answer(answer.status, answer.body, headers)
