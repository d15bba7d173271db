"""
A forwarder in front of a scripted upstream: the store says what a test lays out, and time passes only in its pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from yarl import URL

from breakers.call import Call, Operation
from breakers.facts import Facts
from breakers.store.events import opened_by
from breakers.store.protocol import HeldWrite, Permit, Store
from breakers.thresholds import USUAL
from breakers.verdict import Forward
from config.catalog import Effect, OperationSpec
from config.dialect import Dialect
from config.settings import Timeouts
from config.tables import Catalog
from proxy.account import Account
from proxy.dial import Dialer
from proxy.forward import Forwarder
from proxy.held import Holder
from proxy.ledger.book import Intent
from proxy.passes import Look
from proxy.retrying import Retries
from proxy.sampler import Sampler
from proxy.secret import Secret
from proxy.throttling import Throttling
from proxy.wire import Wire
from tests.canary.forms import secret
from tests.ledger.world import START, StillClock, call, spec
from tests.proxy.scripted import Piece, Scripted, scripted
from tests.proxy.stoppable import Process

DIALECT = Dialect.model_validate(
    {
        "title": "Stripe",
        "upstream_key_header": "Idempotency-Key",
        "key_in_use": [{"status": 409, "pointer": "/error/code", "equals": "in_use"}],
        "answer_headers": ["X-RateLimit-Reset"],
        "declined": [402],
    }
)
HALF = b"\x80" + bytes(15)
"""Randomness of which a number is drawn that lies in the middle of every interval."""

DAY_S = 86_400


@dataclass
class Permits:
    """A store that grants, unless a test lays out what it says next: a permit, an exception, or what to await first."""

    kind = "redis"
    says: list[Permit | Exception | Callable[[], Awaitable[Permit]]] = field(default_factory=list)
    asked: int = 0

    async def dispatch(self, *_: object) -> Permit:
        """
        Say what comes next.
        """
        self.asked += 1
        said = self.says.pop(0) if self.says else Permit.GRANTED
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Permit) else await said()


@dataclass
class Site:
    """A forwarder, what it stands between, and what it did."""

    upstream: Scripted
    permits: Permits
    clock: StillClock
    forward: Forwarder
    account: Account
    waited: list[float] = field(default_factory=list)
    retried: list[tuple[str, str]] = field(default_factory=list)
    in_pause: Callable[[], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        """
        Let so much time pass.
        """
        self.waited.append(seconds)
        self.clock.move(seconds)
        if self.in_pause is not None:
            await self.in_pause()

    def intent(self, *, key: bool = True, body: bytes = b"a=1", method: str = "POST", **more: Any) -> Intent:
        """
        Return a write that may be sent, for a vendor that keeps its key for a day or honours none.
        """
        kept = replace(spec(), method=method, honours_key=key, key_kept_s=DAY_S if key else 0)
        written = self.call(kept, **more)
        held = HeldWrite(Forward(written, Facts(START, 1), "policy-1", ("refunds.create",)))
        return Intent(held, 1, b"", self.wire(method, body, key=key), opened_by(written))

    def look(self, *, total_s: float | None = None, **more: Any) -> Look:
        """
        Return a read that may be sent: an agent's own, or with `total_s` one of ours.
        """
        kept = spec(effect=Effect.READ)
        asked = self.call(kept, **more)
        return Look(asked, "stripe", "api", kept, self.wire("GET", b"", key=False), total_s)

    def call(self, of: OperationSpec, **more: Any) -> Call:
        """
        Return a call of an operation.
        """
        return replace(call(), operation=Operation(of, {}), **more)

    def wire(self, method: str, body: bytes, *, key: bool) -> Wire:
        """
        Return what leaves.
        """
        headers = [("idempotency-key", "bw1_x")] if key else []
        headers += [("content-length", str(len(body)))] if method != "GET" else []
        return Wire(method, "/v1/refunds", tuple(headers), body, self.account.current(), keyed=key)

    def lay(self, *scripts: Sequence[Piece]) -> None:
        """
        Lay out the answers to the next requests.
        """
        for script in scripts:
            self.upstream.then(*script)

    @property
    def asked(self) -> int:
        """
        Return how many requests the upstream has read.
        """
        return len(self.upstream.asked)


def account(origin: str = "http://127.0.0.1:9") -> Account:
    """
    Return the account `stripe`, at an origin.
    """
    holder = Holder(DIALECT.credential)
    holder.turn([("stripe", Secret(secret("forwarding")))])
    catalog = cast("Catalog", SimpleNamespace(dialect=DIALECT))
    return Account("stripe", catalog, {"api": URL(origin)}, holder)


@asynccontextmanager
async def forwarding(port: int | None = None) -> AsyncIterator[Site]:
    """
    Give a forwarder whose account `stripe` leads to a scripted upstream, or to a port on which nobody listens yet.
    """
    async with scripted() as upstream:
        url = upstream.url if port is None else f"http://127.0.0.1:{port}"
        permits, clock, api = Permits(), StillClock(), account(url)

        async def sleep(seconds: float) -> None:
            await site.sleep(seconds)

        retries = Retries(
            clock, lambda count: HALF[:count], lambda api, why: site.retried.append((api, why)), sleep=sleep
        )
        throttling = Throttling({"stripe": DIALECT}, clock.now)
        sampler, switch = Sampler(clock, Timeouts(), USUAL, throttling), Process(clock=clock).switch
        store = cast("Store", permits)
        forward = Forwarder(
            {"stripe": api}, Dialer(list), Timeouts(), clock, store, lambda _: None, retries, sampler, switch
        )
        site = Site(upstream, permits, clock, forward, api)
        forward.start()
        try:
            yield site
        finally:
            await forward.close()
            await asyncio.sleep(0)
