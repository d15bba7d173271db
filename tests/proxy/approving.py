"""What the tests of suggestions share: cards whose writes are parked, approvers, and a desk on a road."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakers.suggestion import LIVE, Stage, Suggested
from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.clock import system_randomness
from proxy.control.acting import HOUSE, Operator
from proxy.desk import Desk
from proxy.executing import Executing
from proxy.keys import make_operator_token
from tests.canary.plugin import watch
from tests.proxy.road import Headers, Road, charged, road, soon
from tests.wire.client import Answer

ALLOW: Mapping[str, Any] = {
    "customers.*": {},
    "charges.retrieve": {},
    "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
}

SUGGEST = agent({"stripe": ALLOW}, loops=False, tier="suggest")
SHADOW = agent({"stripe": ALLOW}, loops=False, tier="shadow")
OVER_20: Mapping[str, Any] = {"over": "20 USD", "by": "finance", "within": "15m"}
BY_RULE = agent(
    {"stripe": {**ALLOW, "refunds.create": {**ALLOW["refunds.create"], "approve": OVER_20}}},
    loops=False,
)

OPERATORS: Mapping[str, Any] = {
    "ana": {"roles": ["approver"]},
    "finn": {"roles": ["finance"]},
    "rita": {"roles": ["resume", "admin"]},
}
ANA = Operator("ana", frozenset({"approver"}))
FINN = Operator("finn", frozenset({"finance"}))
RITA = Operator("rita", frozenset({"resume", "admin"}))

__all__ = ["ANA", "BY_RULE", "FINN", "HOUSE", "OPERATORS", "RITA", "SHADOW", "SUGGEST", "Stand", "on_a_road"]

CUSTOMERS, REFUNDS = "/v1/customers", "/v1/refunds"
RESPOND: Headers = (("Prefer", "respond-async"),)


@dataclass
class Stand:
    """A road whose writes are parked, its upstream, and the desk."""

    on: Road
    sandbox: StripeSandbox
    charge: str

    @property
    def desk(self) -> Desk:
        return Desk(self.on.rooms)

    @property
    def executing(self) -> Executing:
        return self.on.program.executing

    async def refund(self, amount: int, headers: Headers = (), **more: Any) -> Answer:
        """
        Ask for a refund of the charge.
        """
        return await self.on.ask(
            "POST", REFUNDS, form={"charge": self.charge, "amount": amount}, headers=headers, **more
        )

    async def customer(self, name: str, headers: Headers = (), **more: Any) -> Answer:
        """
        Ask for a customer to be made.
        """
        return await self.on.ask("POST", CUSTOMERS, form={"name": name}, headers=headers, **more)

    async def parked(self, answer: Answer) -> Suggested:
        """
        Return the suggestion that an answer names.
        """
        id_ = answer.header("Breakwater-Suggestion")
        assert id_ is not None, answer.raw
        found = await self.on.rooms.store.suggestion(id_)
        assert found is not None
        return found

    async def stage(self, one: Suggested) -> str:
        """
        Return how a suggestion stands now.
        """
        found = await self.on.rooms.store.suggestion(one.id)
        return "gone" if found is None else f"{found.stage}:{found.why}" if found.why else str(found.stage)

    async def approve(self, one: Suggested, who: Operator = ANA) -> None:
        """
        Approve what stands now, and let it be carried out, as far as it may be.
        """
        await self.desk.approve(one.id, (await self.desk.shown(one.id))["digest"], who)
        await self.carried(one)

    async def carried(self, one: Suggested) -> None:
        """
        Let the executor do what it can do with a suggestion.
        """
        await self.executing.execute(one.id)
        await soon(lambda: one.id not in self.on.rooms.suggesting.busy)

    def begin(self) -> None:
        """
        Begin with a charge of its own, and nothing done.
        """
        self.charge = charged(self.sandbox)
        self.sandbox.account.effects.clear()

    async def clear(self) -> None:
        """
        Let nothing wait any more.
        """
        for one in await self.on.rooms.store.suggestions():
            if one.stage in LIVE:
                await self.on.rooms.suggesting.end(one, Stage.VOID, "test")

    @property
    def effects(self) -> dict[str, int]:
        """
        Return what the upstream has done.
        """
        return {what: count for what, count in self.sandbox.account.effects.items() if what != "charge.seeded"}

    async def kinds(self, one: Suggested) -> list[str]:
        """
        Return what is on record of a suggestion, beside looks.
        """
        found = await self.on.on_record(one.id)
        return [
            ":".join(str(record.entry[name]) for name in ("k", "verdict", "end", "why") if record.entry.get(name))
            for record in found
            if record.kind.startswith("approval.")
        ]

    async def token(self, name: str) -> str:
        """
        Give an operator a personal token.
        """
        token, text = make_operator_token(name, system_randomness)
        await self.on.rooms.ledger.access.operator_minted(name, token.kid, token.digest, "test")
        self.on.rooms.operators.tokens.minted(token)
        watch.minted(text)
        return text


@asynccontextmanager
async def on_a_road(
    folder: Path, sandbox: StripeSandbox, card: Mapping[str, object] = SUGGEST, *, idle: bool = True, **settings: Any
) -> AsyncIterator[Stand]:
    """
    Give a road whose agent `support` has this card; with `idle` nothing is carried out until the test says so.
    """
    async with road(folder, sandbox.url, agents={"support": card}, operators=OPERATORS, **settings) as on:
        if idle:
            still(on)
        stand = Stand(on, sandbox, "")
        stand.begin()
        yield stand


def still(on: Road) -> None:
    """
    Let the executor of a road do nothing by itself.
    """
    lanes = on.program.executing

    async def nothing() -> tuple[()]:
        return ()

    async def no_sweep() -> None:
        return

    lanes._due = nothing  # type: ignore[method-assign] # until the test says so
    lanes.try_sweep = no_sweep  # type: ignore[method-assign] # likewise
