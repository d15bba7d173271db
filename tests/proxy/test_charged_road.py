"""Calls under caps on the whole road: what passes, what is refused in which words, and what every end takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from breakers.call import Applied
from breakers.known import Ended
from breakers.store.protocol import Permit, Reservation
from loadtest.upstreams.faults import Fault, HangUp, Status
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.book import Ledger
from tests.crash.totals import Sums
from tests.proxy.again import key
from tests.proxy.road import SECRET, call_of, charged, closed_port, first_sentence, marks, road
from tests.proxy.rows import NOTHING, SENDS
from tests.proxy.spending import DAY, EXHAUSTED, MONTH, TASK, capped, read_one, sums, write_one


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


# ------------------------------------------------------------------------------------------------- the seed figures


async def test_six_calls(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Of a cap of six calls the seventh is refused, in words that tell what is reached, and nothing of it is sent."""
    caps = {"task": {"paid": "0.02 USD", "calls": 6}}
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps=caps)) as on:
        for number in range(3):
            assert (await read_one(on)).status == (await write_one(on, f"c{number}")).status == 200
        sent = len(sandbox.wiretap.requests)
        for refused in (await read_one(on), await write_one(on)):
            assert marks(refused) == EXHAUSTED
            assert refused.header("Retry-After") is None
            message = refused.json["error"]["message"]
            assert first_sentence(message) == NOTHING
            assert "This task may make at most 6 calls in all: 6 taken, and this call asks for 1." in message
            assert refused.json["error"]["breakwater"] | {"call": ""} == {
                "reason": "budget-exhausted",
                "call": "",
                "dispatched": "no",
                "node": f"task:{DAY}",
                "period": "life",
                "measure": "calls",
                "cap": "6",
                "settled": "6",
                "held": "0",
                "requested": "1",
            }
            (record,) = await on.on_record(call_of(refused))
            assert record.kind == "call.decision"
        assert len(sandbox.wiretap.requests) == sent
        assert await sums(on) == {f"{TASK}|calls": (6, 0)}


async def test_two_cents(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Of a cap of 0.02 USD for calls of 0.005 USD the fifth is refused; what the API refuses is free."""
    prices = {"*": {"call": "0.005 USD"}}
    said = capped(sandbox.url, prices=prices, caps={"task": {"paid": "0.02 USD", "calls": 6}})
    async with road(tmp_path, sandbox.url, **said) as on:
        assert (await on.ask("GET", "/v1/charges/ch_none", agent="clerk")).status == 404
        for number in range(4):
            assert (await write_one(on, f"c{number}")).status == 200
        refused = await read_one(on)
        assert marks(refused) == EXHAUSTED
        assert "pay at most 0.02 USD in all: 0.02 USD taken, and this call asks for 0.005 USD." in str(refused.json)
        assert await sums(on) == {f"{TASK}|calls": (5, 0), f"{TASK}|paid:USD": (20_000, 0)}


# ------------------------------------------------------------------------------------------------------- every end


async def test_chain(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Where one cap of the chain has no room, nothing is taken at any other, and another's amounts are not told."""
    caps = {"task": {"calls": 9}, "month": {"writes": 5}}
    said = capped(sandbox.url, caps=caps, team="desk")
    teams = {"desk": {"tz": "Europe/Madrid", "caps": {"day": {"writes": 1}}}}
    async with road(tmp_path, sandbox.url, teams=teams, **said) as on:
        assert (await write_one(on, "first")).status == 200
        before = await sums(on)
        refused = await write_one(on, "second")
        assert marks(refused) == EXHAUSTED
        assert await sums(on) == before
        assert before == {
            f"{TASK}|calls": (1, 0),
            f"{MONTH}|writes": (1, 0),
            "team:desk|2026-11-21|writes": (1, 0),
        }
        told = refused.json["error"]["breakwater"]
        assert told["node"] == "team:desk"
        assert told["resets_at"] == "2026-11-21T23:00:00Z"
        assert told["retry_after_ms"] == str(11 * 3_600_000)
        assert not {"cap", "settled", "held", "requested"} & set(told)
        assert "made by this agent's team on the day 2026-11-21 has no room for this call." in str(refused.json)


REFUND = {"task": {"moved": "100 USD", "calls": 50, "writes": 50}}


@pytest.mark.parametrize(
    ("act", "sends", "expected"),
    [
        (None, 1, {"calls": (1, 0), "writes": (1, 0), "moved:USD": (25_000_000, 0)}),
        # What had no effect moved nothing; it was a call.
        (Status(402, kind="card_error"), 1, {"calls": (1, 0)}),
        (Status(429), SENDS, {"calls": (1, 0)}),
        # What nobody knows the end of stays held.
        (Status(500), SENDS, {"calls": (0, 1), "writes": (0, 1), "moved:USD": (0, 25_000_000)}),
        (HangUp(), SENDS, {"calls": (0, 1), "writes": (0, 1), "moved:USD": (0, 25_000_000)}),
    ],
)
async def test_write_ends(
    act: Status | HangUp | None, sends: int, expected: Sums, tmp_path: Path, sandbox: StripeSandbox
) -> None:
    """However a write ends, a cap is taken as far as it had an effect, or stays held where nobody knows."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps=REFUND)) as on:
        charge = charged(sandbox)
        if act is not None:
            sandbox.faults.add(Fault(act, method="POST", times=sends))
        await on.ask("POST", "/v1/refunds", agent="clerk", form={"charge": charge, "amount": 2500})
        assert await sums(on) == {f"{TASK}|{measure}": sum_ for measure, sum_ in expected.items()}


async def test_unreachable(tmp_path: Path) -> None:
    """What could not be sent took nothing, and is on record as that."""
    url = f"http://127.0.0.1:{closed_port()}"
    async with road(tmp_path, url, **capped(url, caps={"task": {"calls": 2, "writes": 1}})) as on:
        for number in range(3):
            assert (await write_one(on, f"w{number}")).reason == "upstream-unreachable"
            assert (await read_one(on)).reason == "upstream-unreachable"
        assert await sums(on) == {}
        last = await read_one(on)
        assert await on.kinds(call_of(last)) == ["call.held", "call.outcome"]
        (_, outcome) = await on.on_record(call_of(last))
        assert (outcome.entry["sent"], outcome.entry["spent"]) == ("no", ["0"])


async def test_repeat(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A repeat is answered from the first and takes nothing, even where the cap has no room any more."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 1}})) as on:
        first = await write_one(on, headers=key("k"))
        for _ in range(3):
            again = await write_one(on, headers=key("k"))
            assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
            assert again.body == first.body
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}


async def test_not_recorded(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose way breaks off before its intent is on record takes nothing."""

    async def broken(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    withdrawn: list[object] = []
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 1}})) as on:
        on.foreseen = False
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "intend", broken)
            patch.setattr("breakers.looping.Looping.withdraw", lambda _, seen: withdrawn.append(seen))
            assert (await write_one(on)).status == 500
        assert await sums(on) == {}
        # The loop guard had counted it.
        assert len(withdrawn) == 1
        assert (await write_one(on)).status == 200


async def test_stopped(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that is stopped at its first byte took nothing, and says so on record and to the store."""

    async def stopped(*_: object) -> Permit:
        return Permit.STOPPED

    settled: list[Ended] = []
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 1, "writes": 1}})) as on:
        store, settle = on.rooms.store, on.rooms.store.settle

        async def noted(held: Reservation, ended: Ended, *more: bytes | None) -> None:
            settled.append(ended)
            await settle(held, ended, *more)

        with monkeypatch.context() as patch:
            patch.setattr(store, "dispatch", stopped)
            patch.setattr(store, "settle", noted)
            refused = await write_one(on)
            assert marks(refused) == (403, "denied", "no", "kill:killed")
        (end,) = [one.entry for one in await on.on_record(call_of(refused)) if one.kind == "call.outcome"]
        assert (end["sent"], end["spent"], [one.spent for one in settled]) == ("no", ["0", "0"], [(0, 0)])
        assert await sums(on) == {}


async def test_guard_fails(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose end the loop guard cannot take is answered, on record and settled as if it could."""

    def failing(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps={"task": {"calls": 1}})) as on:
        on.foreseen = False
        monkeypatch.setattr("proxy.noticing.Watch.write", failing)
        answered = await write_one(on)
        assert answered.status == 200
        assert (await on.kinds(call_of(answered)))[:2] == ["call.intent", "call.outcome"]
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}
        assert [line["call"] for line in on.log.of("failure")] == [call_of(answered)]
        assert await on.rooms.store.open_intents() == ()


async def test_no_cap(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Without a cap above it a read has its one record and no total anywhere."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url)) as on:
        assert await on.kinds(call_of(await read_one(on))) == ["call.outcome"]
        assert await sums(on) == {}


# --------------------------------------------------------------------------------------------------- doubts that end


@pytest.mark.parametrize("applied", [True, False])
async def test_person_says(applied: bool, tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What a person says of a doubt settles it: it moved what was held, or nothing, and was a call either way."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps=REFUND)) as on:
        sandbox.faults.add(Fault(Status(500), applied=applied, method="POST", times=SENDS))
        lost = await on.ask("POST", "/v1/refunds", agent="clerk", form={"charge": charged(sandbox), "amount": 2500})
        assert lost.status == 424
        assert (await sums(on))[f"{TASK}|moved:USD"] == (0, 25_000_000)
        await on.program.doubts.resolve(call_of(lost), applied=applied, reason="the bank says so")
        told = {f"{TASK}|calls": (1, 0)}
        if applied:
            told |= {f"{TASK}|writes": (1, 0), f"{TASK}|moved:USD": (25_000_000, 0)}
        assert await sums(on) == told


@pytest.mark.parametrize("found", [True, False])
async def test_found_out(found: bool, tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A doubt whose re-send is answered is settled by that answer."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps=REFUND)) as on:
        if found:
            sandbox.faults.add(Fault(HangUp(), applied=True, method="POST", times=SENDS))
        else:
            sandbox.faults.add(Fault(HangUp(), method="POST", times=SENDS))
            sandbox.faults.add(Fault(Status(402, kind="card_error"), method="POST"))
        lost = await on.ask("POST", "/v1/refunds", agent="clerk", form={"charge": charged(sandbox), "amount": 2500})
        assert lost.status == 424
        assert await on.program.doubts.round() == 0
        on.clock.move(2)
        assert await on.program.doubts.round() == 1
        (end,) = [one.entry for one in await on.on_record(call_of(lost)) if one.kind == "recovery.resolved"]
        assert end["eff"] == (Applied.APPLIED if found else Applied.NOT_APPLIED)
        moved = (await sums(on)).get(f"{TASK}|moved:USD", (0, 0))
        assert moved == ((25_000_000, 0) if found else (0, 0))
        assert (await sums(on))[f"{TASK}|calls"] == (1, 0)


@pytest.mark.parametrize("doubted", [False, True])
async def test_refused_is_free(doubted: bool, tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A write that the API refuses costs nothing, in the store as on record, at once and where that is found later."""
    said = capped(sandbox.url, prices={"*": {"call": "0.01 USD"}}, caps={"task": {"paid": "1 USD", "calls": 9}})
    async with road(tmp_path, sandbox.url, **said) as on:
        if doubted:
            sandbox.faults.add(Fault(HangUp(), method="POST", times=SENDS))
        sandbox.faults.add(Fault(Status(402, kind="card_error"), method="POST"))
        assert (await write_one(on)).status == (424 if doubted else 402)
        if doubted:
            assert await sums(on) == {f"{TASK}|calls": (0, 1), f"{TASK}|paid:USD": (0, 10_000)}
            assert await on.program.doubts.round() == 0
            on.clock.move(2)
            assert await on.program.doubts.round() == 1
        assert await sums(on) == {f"{TASK}|calls": (1, 0)}


@pytest.mark.parametrize("changed", [False, True])
async def test_found_under_another_policy(changed: bool, tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A doubt that is settled under another version of the policy than it was judged by keeps what was held as paid."""
    caps = {"task": {"paid": "1 USD", "calls": 9}}
    metered = {"metered": [{"answer": "/created", "each": "0.01 USD", "per": 10**12, "at_most": 2 * 10**12}]}
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, prices={"*": metered}, caps=caps)) as on:
        sandbox.faults.add(Fault(HangUp(), applied=True, method="POST", times=SENDS))
        assert (await write_one(on)).status == 424
        assert (await sums(on))[f"{TASK}|paid:USD"] == (0, 20_000)
        if changed:
            on.rooms.policy = replace(on.rooms.policy, version="another")
        assert await on.program.doubts.round() == 0
        on.clock.move(2)
        assert await on.program.doubts.round() == 1
        settled, held = (await sums(on))[f"{TASK}|paid:USD"]
        assert (settled == 20_000, held) == (changed, 0)


# ------------------------------------------------------------------------------------------------------ what is kept


async def test_start(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A start knows what was spent and what is held, and a cap has as much room as before."""
    said = capped(sandbox.url, caps={"task": {"calls": 4, "moved": "100 USD"}, "month": {"writes": 9}})
    # Shorter than a month: what is remembered of repeats does not shorten what was spent.
    short = {"answers": "3d", "outcomes": "1d"}
    async with road(tmp_path, sandbox.url, idempotency=short, **said) as on:
        await read_one(on)
        sandbox.faults.add(Fault(Status(500), method="POST", times=SENDS))
        await on.ask("POST", "/v1/refunds", agent="clerk", form={"charge": charged(sandbox), "amount": 2500})
        before = await sums(on)
        assert before[f"{TASK}|moved:USD"] == (0, 25_000_000)
    async with road(tmp_path, sandbox.url, idempotency=short, **said) as on:
        assert await sums(on) == before
        assert on.rooms.ledger._events._since == on.clock.now() - timedelta(days=72)
        statuses = [(await write_one(on, f"n{number}")).status for number in range(3)]
        assert statuses == [200, 200, 403]
