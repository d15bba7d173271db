"""Repeats while the first is under way: joined, told to come back, taken over where its caller has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.store.protocol import StoreUnavailable
from loadtest.upstreams.faults import Fault, HangUp, Status
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import LedgerUnavailable
from tests.proxy.again import begun, ended, is_replay, joined, key, posts, stripe
from tests.proxy.road import THROTTLED_S, Headers, Road, call_of, charged, first_sentence, marks, road, soon
from tests.proxy.rows import CREATE, EARLY, SENDS
from tests.wire.client import Answer

CUSTOMERS = "/v1/customers"
SHORT: Headers = (("Breakwater-Deadline-Ms", "40"),)
LATE = (409, "unknown", "unknown", "forward:idempotency-in-flight")
BUSY = (409, "unknown", "unknown", "repeats:idempotency-in-flight")
AT_ONCE = 50


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream
        upstream.faults.clear()


@pytest_asyncio.fixture
async def on(sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give the road.
    """
    async with road(tmp_path, sandbox.url) as running:
        yield running
        sandbox.faults.clear()


def consistent(answers: list[Answer]) -> Answer:
    """
    Return the one answer that the others are replays of; fail unless there is exactly one.
    """
    (first,) = [one for one in answers if one.header("Idempotent-Replayed") is None]
    for other in answers:
        if other is not first:
            is_replay(other, first)
    return first


@pytest.mark.parametrize("headers", [key("k"), ()], ids=["a key", "no key"])
async def test_fifty_at_once(headers: Headers, on: Road, sandbox: StripeSandbox) -> None:
    """Fifty equal requests at once make one look, one upstream call and one effect, and all have its answer."""
    form = {"charge": charged(sandbox), "amount": 1200}
    sandbox.faults.add(Fault(held=True, method="POST"))
    asked = [asyncio.ensure_future(on.ask("POST", "/v1/refunds", form=form, headers=headers)) for _ in range(AT_ONCE)]
    await soon(sandbox.faults.holding.is_set)
    await joined(on, AT_ONCE - 1)
    assert [seen.method for seen in sandbox.wiretap.requests] == ["GET", "POST"]
    assert repr(on.rooms.judging) == "Judging(0 calls in 0 lines)"
    sandbox.faults.release()
    first = consistent(list(await asyncio.gather(*asked)))
    assert first.status == 200
    assert sandbox.account.effects["refund.created"] == posts(sandbox) == 1
    joins = on.rooms.metrics.registry.get_sample_value("breakwater_repeats_total", {"api": "stripe", "how": "join"})
    assert joins == AT_ONCE - 1


@pytest.mark.parametrize("headers", [key("k"), ()], ids=["a key", "no key"])
async def test_fifty_in_doubt(headers: Headers, on: Road, sandbox: StripeSandbox) -> None:
    """Fifty equal requests whose first ends in doubt are all told so, and nothing more is sent."""
    sandbox.faults.add(Fault(HangUp(), applied=True, held=True, method="POST"), Fault(HangUp(), times=SENDS - 1))
    asked = [asyncio.ensure_future(on.ask("POST", CUSTOMERS, form=CREATE, headers=headers)) for _ in range(AT_ONCE)]
    await soon(sandbox.faults.holding.is_set)
    await joined(on, AT_ONCE - 1)
    sandbox.faults.release()
    answers = await asyncio.gather(*asked)
    assert {one.status for one in answers} == {424}
    assert len({one.header("Breakwater-Intent") for one in answers}) == 1
    assert (posts(sandbox), sandbox.account.effects) == (SENDS, {"customer.created": 1})


@pytest.mark.parametrize("status", [401, 429])
async def test_joins_a_passing_no(status: int, on: Road, sandbox: StripeSandbox) -> None:
    """Whoever waits has the answer of what is not kept, too; whoever comes later is judged anew."""
    sandbox.faults.add(Fault(Status(status), held=True))
    asked = [asyncio.ensure_future(on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))) for _ in range(3)]
    await soon(sandbox.faults.holding.is_set)
    await joined(on, 2)
    sandbox.faults.release()
    assert consistent(list(await asyncio.gather(*asked))).status == status
    on.clock.move(THROTTLED_S)
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200
    assert sandbox.account.effects == {"customer.created": 1}


async def test_joins_an_unsent_one(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Whoever waited for a write that could not be sent is told so as the first is: nothing was sent."""
    async with road(tmp_path, sandbox.url) as on:
        held, let_go = asyncio.Event(), asyncio.Event()
        dispatch = on.rooms.store.dispatch

        async def away(*arguments: object) -> None:
            held.set()
            await let_go.wait()
            raise StoreUnavailable("it does not answer")

        on.rooms.store.dispatch = away  # type: ignore[method-assign, assignment]
        asked = [asyncio.ensure_future(on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))) for _ in range(2)]
        await held.wait()
        await joined(on, 1)
        let_go.set()
        first, again = sorted(await asyncio.gather(*asked), key=lambda one: one.header("Idempotent-Replayed") or "")
        assert (first.status, first.header("Breakwater-Dispatched")) == (503, "no")
        assert (again.status, again.header("Breakwater-Dispatched")) == (503, "no")
        assert again.body == first.body
        on.rooms.store.dispatch = dispatch  # type: ignore[method-assign]
        assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200
    assert posts(sandbox) == 1


async def test_joins_an_unrecorded_one(on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim whose intent could not be recorded is given back, and whoever waited for it may try again at once."""
    reached, let_go = asyncio.Event(), asyncio.Event()

    async def full(*_: object) -> None:
        reached.set()
        await let_go.wait()
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(on.rooms.ledger, "intend", full)
        asked = [asyncio.ensure_future(on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))) for _ in range(2)]
        await reached.wait()
        await joined(on, 1)
        let_go.set()
        answers = await asyncio.gather(*asked)
    assert {one.reason for one in answers} == {"ledger-unavailable", "unsettled-state"}
    assert {(one.status, one.header("Breakwater-Dispatched")) for one in answers} == {(503, "no")}
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200
    assert posts(sandbox) == 1


async def test_patience(on: Road, sandbox: StripeSandbox) -> None:
    """Whoever joins waits no longer than it says, is told to come back, and has the answer once there is one."""
    first = await begun(on, sandbox, CREATE, key("k"))
    late = await on.ask("POST", CUSTOMERS, form=CREATE, headers=(*key("k"), *SHORT))
    assert marks(late) == BUSY
    assert first_sentence(late.json["error"]["message"]) == EARLY
    assert (late.header("Retry-After"), late.header("Stripe-Should-Retry")) == ("1", None)
    sandbox.faults.release()
    answered = await first.answer()
    assert answered is not None
    assert late.header("Breakwater-Intent") == call_of(answered)
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), answered)
    await first.end()
    assert posts(sandbox) == 1


async def test_outlives_its_key(on: Road, sandbox: StripeSandbox) -> None:
    """A write that runs for longer than anything is kept is not forgotten while it runs: its key is not free."""
    first = await begun(on, sandbox, CREATE, key("k"))
    for days in (1, 7, 90, 365):
        on.clock.move(days * 86_400)
        assert marks(await on.ask("POST", CUSTOMERS, form=CREATE, headers=(*key("k"), *SHORT))) == BUSY
    sandbox.faults.release()
    assert await first.answer() is not None
    await first.end()
    assert posts(sandbox) == 1


async def test_late_under_a_key(on: Road, sandbox: StripeSandbox) -> None:
    """A first caller whose deadline passes is told under a key to come back, and then has the answer, once."""
    sandbox.faults.add(Fault(held=True, method="POST"))
    late = await on.ask("POST", CUSTOMERS, form=CREATE, headers=(*key("k"), *SHORT))
    assert marks(late) == LATE
    assert first_sentence(late.json["error"]["message"]) == EARLY
    assert (late.header("Retry-After"), late.header("Stripe-Should-Retry")) == ("1", None)
    assert late.header("Breakwater-Intent") == call_of(late)
    await soon(sandbox.faults.holding.is_set)
    joining = asyncio.ensure_future(on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")))
    await joined(on, 1)
    sandbox.faults.release()
    again = await joining
    assert (again.status, again.header("Breakwater-Intent")) == (200, call_of(late))
    await ended(on)
    kinds = await on.kinds(call_of(late))
    assert kinds == ["call.intent", "call.delivery", "call.outcome", "change.recorded"]
    assert await on.kinds(call_of(again)) == ["call.decision", "call.delivery"]
    assert sandbox.account.effects == {"customer.created": 1}


async def test_late_without_a_key(on: Road, sandbox: StripeSandbox) -> None:
    """Without a key it is told 424, not to come back; the same request all the same has the answer, not an effect."""
    sandbox.faults.add(Fault(held=True, method="POST"))
    late = await on.ask("POST", CUSTOMERS, form=CREATE, headers=SHORT)
    assert marks(late) == (424, "unknown", "unknown", "forward:outcome-unknown")
    assert (late.header("Retry-After"), late.header("Stripe-Should-Retry")) == (None, "false")
    await soon(sandbox.faults.holding.is_set)
    sandbox.faults.release()
    await ended(on)
    again = await on.ask("POST", CUSTOMERS, form=CREATE)
    assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
    assert again.header("Breakwater-Intent") == call_of(late)
    await ended(on)
    assert (await on.ask("POST", CUSTOMERS, form=CREATE)).reason == "duplicate-suspected"
    assert sandbox.account.effects == {"customer.created": 1}


@pytest.mark.parametrize("headers", [key("k"), ()], ids=["a key", "no key"])
async def test_hung_up(headers: Headers, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A caller that hangs up does not stop its write, and has its answer when it comes back, also after a restart."""
    async with road(tmp_path, sandbox.url) as on:
        first = await begun(on, sandbox, CREATE, headers)
        await first.end()
        sandbox.faults.release()
        await ended(on)
        again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=headers)
        assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
        other = await begun(on, sandbox, {"name": "other"}, headers and key("other"))
        await other.end()
        sandbox.faults.release()
        await ended(on)
    async with road(tmp_path, sandbox.url) as on:
        again = await on.ask("POST", CUSTOMERS, form={"name": "other"}, headers=headers and key("other"))
        assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
        assert again.json["name"] == "other"
    assert sandbox.account.effects == {"customer.created": 2}


async def test_answer_that_cannot_be_sent(on: Road, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that breaks on its way in a manner that nobody foresaw did not arrive: its retry is given it."""
    on.foreseen = False
    with monkeypatch.context() as patch:
        patch.setattr("proxy.links.rewrite_json", None)
        with pytest.raises((AssertionError, ConnectionError)):
            await on.ask("POST", CUSTOMERS, form=CREATE)
    await ended(on)
    again = await on.ask("POST", CUSTOMERS, form=CREATE)
    assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
    assert sandbox.account.effects == {"customer.created": 1}


async def test_one_turn_after_another(on: Road, sandbox: StripeSandbox) -> None:
    """Whoever joins holds up nobody: another write to the object is judged while it waits."""
    charge = charged(sandbox)
    first = await begun(on, sandbox, {"charge": charge, "amount": 100}, key("a"), "/v1/refunds")
    joining = asyncio.ensure_future(
        on.ask("POST", "/v1/refunds", form={"charge": charge, "amount": 100}, headers=key("a"))
    )
    await joined(on, 1)
    assert repr(on.rooms.pending) == "Pending(0 after 1 turns on 1 objects)"
    sandbox.faults.release()
    await asyncio.gather(first.answer(), joining)
    await first.end()
