"""The road to the sandboxes, all of them on the road's clock, with answers that get lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from loadtest.installation import agent
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from proxy.doubt.doubts import Doubts
from tests.ledger.world import START
from tests.proxy.again import key
from tests.proxy.road import JIRA_USER, SECRET, Road, call_of, marks, road, soon
from tests.wire.client import Answer

# As often as anyone here re-sends by itself, and more.
EVERY_TIME = None

# Time moves at least so far at once.
_STEP_S = 0.01

# What the road says of a write that nobody knows the end of.
IN_DOUBT = (424, "unknown", "unknown")

GITHUB = "/repos/ada/engine"


def allowed(door: str, *, marker: bool = False) -> Mapping[str, object]:
    """
    Return what an agent may do at an API: everything, with marks on what it makes or without.
    """
    marked = {"marker": True} if marker else {}
    made = dict.fromkeys(("issues/create", "issues/create-comment", "pulls/create"), marked)
    rules: Mapping[str, Mapping[str, object]] = {
        "stripe": {"customers.*": {}, "files.create": {}, "refunds.create": {"limit": {"amount": "0.50..100 USD"}}},
        "github": {"issues/*": {}, "pulls/*": {}, "repos/*": {}, **made},
        "jira": {"*Issue*": {}, "*Comment*": {}, "createIssue": marked},
    }
    return rules[door]


@dataclass
class Wall:
    """The sandboxes' clock: the road's, once there is one."""

    on: Road | None = None

    def __call__(self) -> float:
        return (self.on.clock.now() if self.on is not None else START).timestamp()


@dataclass
class World:
    """A road, the sandbox behind it, and the clock that both go by."""

    on: Road
    sandbox: Any
    door: str
    sent: list[Answer] = field(default_factory=list)

    @property
    def doubts(self) -> Doubts:
        """
        Return what looks for writes in doubt.
        """
        return self.on.program.doubts

    async def write(
        self, method: str, target: str, body: Mapping[str, object] | None = None, *, named: str | None = None
    ) -> Answer:
        """
        Make a write: a form at Stripe, JSON elsewhere; `named` is its idempotency key.
        """
        # GitHub gives nothing to who does not say what it is.
        headers = (("User-Agent", "worker"), *(key(named) if named is not None else ()))
        if self.door == "stripe":
            return await self.on.ask(method, target, agent="worker", door=self.door, headers=headers, form=body)
        data = b"" if body is None else json.dumps(body).encode()
        media = "application/json" if body is not None else None
        return await self.on.ask(
            method, target, agent="worker", door=self.door, headers=headers, body=data, media=media
        )

    async def lose(
        self,
        method: str,
        target: str,
        body: Mapping[str, object] | None = None,
        *,
        named: str | None = None,
        applied: bool = True,
    ) -> str:
        """
        Make a write of which every answer is lost, `applied` or not; return the intent that is in doubt.
        """
        self.sandbox.faults.add(Fault(HangUp(), applied=applied, method=method, times=EVERY_TIME))
        told = await self.write(method, target, body, named=named)
        assert marks(told)[:3] == IN_DOUBT, told.body
        self.sandbox.faults.clear()
        return call_of(told)

    async def looks(self, seconds: float) -> int:
        """
        Let time pass, and whatever is due be looked at when it is; return how many looks that were.
        """
        looked, ends = await self.doubts.round(), self.on.clock.now() + timedelta(seconds=seconds)
        while self.on.clock.now() < ends:
            left_s = (ends - self.on.clock.now()).total_seconds()
            self.on.clock.move(min(left_s, max(_STEP_S, self.doubts._until_next_s())))
            looked += await self.doubts.round()
        await soon(lambda: len(self.on.rooms.pending) == 0)
        return looked

    def state(self, intent: str) -> str | None:
        """
        Return how a doubt stands, or None where it is none.
        """
        return next((str(one["state"]) for one in self.doubts.said() if one["intent"] == intent), None)

    async def entry(self, intent: str, kind: str) -> dict[str, Any]:
        """
        Return the newest record of a kind that an intent has, with its payloads.
        """
        return [record for record in await self.on.opened(intent) if record["entry"]["k"] == kind][-1]

    def asked(self, method: str) -> int:
        """
        Return how many requests of a method the sandbox has seen.
        """
        return sum(seen.method == method for seen in self.sandbox.wiretap.requests)

    async def meanwhile(self, method: str, target: str, body: Mapping[str, object] | None, intent: str) -> None:
        """
        Fail unless repeats of a write in doubt, with a key and without, are answered from it and send nothing.
        """
        before = self.asked(method)
        for named in (None, "a-new-key"):
            told = await self.write(method, target, body, named=named)
            assert marks(told) == (*IN_DOUBT, "repeats:outcome-unknown")
            assert told.header("Breakwater-Intent") == intent
        assert self.asked(method) == before


@asynccontextmanager
async def world(
    folder: Path, door: str, sandbox: Sandbox, wall: Wall, *, marker: bool = False, **settings: object
) -> AsyncIterator[World]:
    """
    Give a road to a sandbox that listens already, behind the door of that name.
    """
    credential: dict[str, object] = {"env": "STRIPE_SECRET"}
    if door == "jira":
        credential["user"] = JIRA_USER
    apis = {door: {"catalog": door, "upstream": sandbox.url, "credential": credential}}
    cards = {"worker": agent({door: allowed(door, marker=marker)}, loops=False)}
    async with road(folder, sandbox.url, apis=apis, agents=cards, **settings) as on:  # type: ignore[arg-type]
        wall.on = on
        yield World(on, sandbox, door)


@asynccontextmanager
async def stripe(folder: Path, **settings: object) -> AsyncIterator[World]:
    """
    Give a road to Stripe.
    """
    wall = Wall()
    async with (
        StripeSandbox(secret=SECRET, clock=wall) as sandbox,
        world(folder, "stripe", sandbox, wall, **settings) as one,  # type: ignore[arg-type]
    ):
        yield one


@asynccontextmanager
async def github(folder: Path, *, lag_s: float = 0.0, marker: bool = False) -> AsyncIterator[World]:
    """
    Give a road to GitHub, whose lists show what was made `lag_s` seconds later.
    """
    wall = Wall()
    async with (
        GithubSandbox(secret=SECRET, clock=wall, list_lag_s=lag_s) as sandbox,
        world(folder, "github", sandbox, wall, marker=marker) as one,
    ):
        yield one


@asynccontextmanager
async def jira(folder: Path, *, lag_s: float = 0.0, marker: bool = False) -> AsyncIterator[World]:
    """
    Give a road to Jira, whose search shows what was made `lag_s` seconds later.
    """
    wall = Wall()
    async with (
        JiraSandbox(secret=SECRET, user=JIRA_USER, clock=wall, search_lag_s=lag_s) as sandbox,
        world(folder, "jira", sandbox, wall, marker=marker) as one,
    ):
        yield one
