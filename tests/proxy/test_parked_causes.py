"""What parks a write beside its tier, on the road: too many at one place, a duplicate, a token that asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.orders import TaskOrder
from tests.proxy.again import stripe
from tests.proxy.approving import ALLOW, ANA, on_a_road
from tests.proxy.road import marks
from tests.wire.client import Answer

PARKED = (403, "suggested", "no")


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream


def card(**more: object) -> Mapping[str, Any]:
    """
    Return a card that parks nothing by its tier.
    """
    return agent({"stripe": ALLOW}, **more)


def told(answers: list[Answer]) -> list[str]:
    """
    Return what became of writes, sorted.
    """
    return sorted(f"{answer.status} {answer.header('Breakwater-Outcome')}" for answer in answers)


async def test_fan_out(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Of too many writes at one place, however close together they come, those beyond the bound are parked."""
    async with on_a_road(tmp_path, sandbox, card(loops={"writes": 3})) as stand:
        customer = (await stand.customer("Ada")).json["id"]
        target = f"/v1/customers/{customer}"
        asking = [stand.on.ask("POST", target, form={"description": f"Text {n}."}) for n in range(6)]
        answers = await asyncio.gather(*asking)
        assert told(list(answers)) == ["200 executed"] * 3 + ["403 suggested"] * 3
        one = await stand.parked(next(answer for answer in answers if answer.status == 403))
        assert (one.answers, one.waits) == (("loop:customers.update",), False)
        # An approver has seen how many there are: it is made, although it is one too many.
        await stand.approve(one)
        assert await stand.stage(one) == "executed"
        again = await stand.on.ask("POST", target, form={"description": "One more."})
        assert marks(again)[:3] == PARKED
        assert again.header("Breakwater-Loop") == "L5;n=3"


async def test_duplicate(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A refund that was made a moment ago is parked for an approver, who may mean it, and then it is made twice."""
    async with on_a_road(tmp_path, sandbox, card(loops=False)) as stand:
        made = await stand.refund(1000, (("Idempotency-Key", "one"),))
        assert made.status == 200
        no = await stand.refund(1000, (("Idempotency-Key", "two"),))
        assert marks(no) == (*PARKED, "approval:approval-pending")
        one = await stand.parked(no)
        first = made.header("Breakwater-Call")
        assert (one.answers, one.roles, one.waits) == ((f"duplicate:refunds.create:{first}",), ("approver",), True)
        assert stand.effects == {"refund.created": 1}
        await stand.approve(one)
        assert (await stand.stage(one), stand.effects) == ("executed", {"refund.created": 2})


async def test_one_word_each(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Of two suggestions of one effect that are both approved one is made; the other waits for a word about that."""
    async with on_a_road(tmp_path, sandbox, card(loops=False)) as stand:
        assert (await stand.refund(1000, (("Idempotency-Key", "one"),))).status == 200
        form = {"charge": stand.charge, "amount": 1000}
        asked = [
            await stand.on.ask("POST", "/v1/refunds", form={**form, "reason": reason})
            for reason in ("duplicate", "fraudulent")
        ]
        two, three = [await stand.parked(answer) for answer in asked]
        for one in (two, three):
            await stand.desk.approve(one.id, one.digest, ANA)
        for one in (two, three):
            await stand.executing.execute(one.id)
        assert ([await stand.stage(one) for one in (two, three)], stand.effects) == (
            ["executed", "open"], {"refund.created": 2},
        )  # fmt: skip
        again = await stand.on.rooms.store.suggestion(three.id)
        assert again is not None
        assert again.answers != three.answers
        await stand.approve(again)
        assert (await stand.stage(three), stand.effects) == ("executed", {"refund.created": 3})


async def test_token(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Under a token that asks for approval its writes are parked and its reads pass, whatever the card says."""
    async with on_a_road(tmp_path, sandbox, card(loops=False)) as stand:
        opened = await stand.on.rooms.tasks.open(TaskOrder(agent="support", caveats=("appr=required",)))
        shown = (("Authorization", f"Bearer {opened.token.spelled()}"),)
        assert (await stand.on.ask("GET", f"/v1/charges/{stand.charge}", key="", headers=shown)).status == 200
        no = await stand.customer("Ada", shown, key="")
        assert marks(no) == (*PARKED, "approval:approval-pending")
        one = await stand.parked(no)
        assert one.answers == ("token:appr",)
        await stand.approve(one, ANA)
        assert (await stand.stage(one), stand.effects) == ("executed", {"customer.created": 1})
