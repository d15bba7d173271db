"""What is on record of a suggestion holds, whether the store could be told, the world moved, or its process is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from breakers.stops import ALL, Mode
from breakers.store.protocol import StoreUnavailable
from breakers.suggestion import Stage
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import StartRefused
from proxy.lapsing import LONG_OVER
from proxy.secret import Secret
from tests.canary.forms import secret
from tests.proxy.approving import ANA, BY_RULE, FINN, SUGGEST, on_a_road
from tests.proxy.road import SECRET
from tests.proxy.test_store_away import Away


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as made:
        yield made
        made.faults.clear()


async def test_version_compared(sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaves bears the version of the credential that was shown, though another comes right before it is sent."""
    async with on_a_road(tmp_path, sandbox) as stand:
        one, store = await stand.parked(await stand.customer("Ada")), stand.on.rooms.store
        reserve = store.reserve

        async def turned(*arguments: Any) -> Any:
            held = await reserve(*arguments)
            stand.on.rooms.accounts["stripe"].credential.turn([("stripe@2", Secret(secret("turned")))])
            return held

        monkeypatch.setattr(store, "reserve", turned)
        await stand.approve(one)
        found = await store.suggestion(one.id)
        assert found is not None
        (intent,) = [entry.entry for entry in await stand.on.on_record(found.intent) if entry.kind == "call.intent"]
        assert (intent["cred"], stand.effects) == ("stripe", {"customer.created": 1})


async def test_rejected_while_away(sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was rejected while the store was away cannot be approved once that is back, and is never sent."""
    async with on_a_road(tmp_path, sandbox) as stand:
        one = await stand.parked(await stand.customer("Ada"))
        with monkeypatch.context() as patch:
            patch.setattr(stand.on.rooms.store, "turn", Away())
            with pytest.raises(StoreUnavailable, match="on record"):
                await stand.desk.reject(one.id, "no", ANA)
        with pytest.raises(StartRefused, match="it has ended"):
            await stand.desk.approve(one.id, one.digest, ANA)
        assert (await stand.stage(one), stand.effects) == ("rejected", {})


async def test_told_while_away(sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People are told of a write that waits, and of its end, although the store could not be told."""
    async with on_a_road(tmp_path, sandbox, BY_RULE) as stand:
        with monkeypatch.context() as patch:
            patch.setattr(stand.on.rooms.store, "suggest", Away())
            assert (await stand.refund(2500)).reason == "store-unavailable"
        (said,) = stand.on.log.of("suggestion")
        await stand.on.rooms.suggesting.retell()
        stand.on.clock.move(900)
        monkeypatch.setattr(stand.on.rooms.store, "turn", Away())
        with pytest.raises(StoreUnavailable):
            await stand.executing._lapsing.sweep()
        states = [(line["suggestion"], line["state"]) for line in stand.on.log.of("suggestion")]
        assert states == [(said["suggestion"], "open"), (said["suggestion"], "expired")]


async def test_parked_twice(sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a write that was parked without an answer and parked again only one can be approved, and the other says so."""
    async with on_a_road(tmp_path, sandbox, BY_RULE) as stand:
        with monkeypatch.context() as patch:
            patch.setattr(stand.on.rooms.store, "suggest", Away())
            assert (await stand.refund(2500)).reason == "store-unavailable"
        (said,) = stand.on.log.of("suggestion")
        one = await stand.parked(await stand.refund(2500))
        await stand.on.rooms.suggesting.retell()
        every = {each.id: str(each.stage) for each in await stand.on.rooms.store.suggestions()}
        assert every == {one.id: "open", said["suggestion"]: "void"}
        first = await stand.on.rooms.store.suggestion(str(said["suggestion"]))
        assert first is not None
        assert await stand.stage(first) == "void:joined"
        await stand.approve(one, FINN)
        assert stand.effects == {"refund.created": 1}


async def test_asked_again(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """What waits again for another reason is told to people, and whoever was needed for it is needed still."""
    async with on_a_road(tmp_path, sandbox, BY_RULE) as stand:
        one = await stand.parked(await stand.refund(2500))
        card = await stand.desk.edit(one.id, ["body.amount=1000"], "half of it", FINN)
        await stand.desk.approve(one.id, card["digest"], FINN)
        await stand.on.rooms.killswitch.order(ALL, Mode.SUGGEST, "rita", "looking")
        await stand.carried(one)
        assert await stand.stage(one) == "open"
        assert [line["state"] for line in stand.on.log.of("suggestion")] == ["open", "open"]
        with pytest.raises(StartRefused, match="does not hold"):
            await stand.approve(one, ANA)
        await stand.approve(one, FINN)
        assert (await stand.stage(one), stand.effects) == ("executed", {"refund.created": 1})


@pytest.mark.parametrize(("applied", "end"), [(False, "executed"), (True, "open")])
async def test_effect_in_doubt(applied: bool, end: str, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """While it is in doubt whether the same was done under other words, what was approved is kept back."""
    async with on_a_road(tmp_path, sandbox) as stand:
        first = await stand.parked(await stand.refund(1000))
        form = {"charge": stand.charge, "amount": 1000, "metadata[order]": "7"}
        one = await stand.parked(await stand.on.ask("POST", "/v1/refunds", form=form))
        # Of the first nobody knows how it ended.
        sandbox.faults.add(Fault(HangUp(), applied=applied, method="POST", times=None))
        await stand.approve(first)
        sandbox.faults.clear()
        await stand.approve(one)
        assert await stand.stage(one) == "approved"
        assert (await stand.desk.shown(one.id))["kept_back"]["reason"] == "duplicate-suspected"
        (doubt,) = await stand.on.rooms.store.open_intents()
        await stand.on.program.doubts.resolve(doubt.opened.intent, applied=applied, reason="it was looked up")
        await stand.carried(one)
        assert (await stand.stage(one), stand.effects) == (end, {"refund.created": 1})


async def test_nothing_kept(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Of those who waited for a decision in vain nothing is kept, and each is told how it stands by then."""
    async with on_a_road(tmp_path, sandbox) as stand:
        suggesting, one = stand.on.rooms.suggesting, await stand.parked(await stand.customer("Ada"))
        waiting = asyncio.gather(*(suggesting.settled(one, within_s) for within_s in (0.001, 0.01)))
        after = replace(one, stage=Stage.APPROVED, version=one.version + 1)
        # As another process does, so that nobody is woken here.
        assert await stand.on.rooms.store.turn(one, after)
        assert [str(found.stage) for found in await waiting] == ["approved"] * 2
        assert suggesting._changed == {}


async def test_process_away(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """What a process that is away has on record is ended by others once its time is over, and put on record by it."""
    settings: dict[str, Any] = {"suggestions": {"open_max": 1, "expire": "1h"}}
    async with on_a_road(tmp_path, sandbox, SUGGEST, **settings) as stand:
        suggesting, sweep = stand.on.rooms.suggesting, stand.executing._lapsing.sweep
        one = await stand.parked(await stand.customer("Ada"))
        suggesting.own.discard(one.id)
        stand.on.clock.move(3600)
        await sweep()
        assert await stand.stage(one) == "open"
        # It is in nobody's way meanwhile.
        other = await stand.parked(await stand.customer("Bea"))
        stand.on.clock.move(LONG_OVER.total_seconds())
        await sweep()
        assert await stand.stage(one) == "expired:time"
        assert await stand.kinds(one) == ["approval.requested"]
        await stand.desk.reject(other.id, "no", ANA)
        assert (await stand.parked(await stand.customer("Ada"))).id != one.id
        suggesting.own.add(one.id)
        for _ in range(2):
            await sweep()
        assert await stand.kinds(one) == ["approval.requested", "approval.ended:expired:time"]
