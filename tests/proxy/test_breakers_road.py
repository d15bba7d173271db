"""Breakers on the road: an upstream that fails, what is kept back meanwhile, and how it comes to pass again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from breakers.breaker import State
from loadtest.upstreams.faults import Status
from tests.proxy.ailing import BLOCKED, CLERK, PARKED, PASSED, READS, WAITED_S, WRITES, ailing, outcome
from tests.proxy.road import charged, closed_port, marks, soon
from tests.wire.client import Answer


async def test_trips(tmp_path: Path) -> None:
    """Writes that fail trip the account's breaker, and from then on writes are parked, unsent, while reads pass."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        assert one.state(WRITES) is State.SUGGEST_ONLY
        sent = one.upstream.wiretap.requests.copy()
        parked = await one.write(agent="scribe")
        assert (outcome(parked), marks(parked)[2]) == (PARKED, "no")
        assert one.upstream.wiretap.requests == sent
        assert outcome(await one.read()) == PASSED


async def test_on_record(tmp_path: Path) -> None:
    """A transition is on record and announced under one id, with the rule and its numbers, and counted."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await soon(lambda: one.on.log.of("breaker"))
        changed = next(record for record in await one.on.newest() if record.kind == "breaker.changed").entry
        said = one.on.log.of("breaker")[-1]
        assert (changed["breaker"], changed["was"], changed["state"], changed["rule"]) == (
            WRITES, "passing", "suggest_only", "T1",
        )  # fmt: skip
        assert changed["notice"] == {"kind": "breaker", "id": said["id"]}
        assert str(said["why"]).startswith("T1: 3 of 3 failed")
        page = (await one.on.ask_admin(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).body.decode()
        assert f'breakwater_breaker_transitions_total{{breaker="{WRITES}",state="suggest_only"}} 1.0' in page
        assert f'breakwater_breaker_state{{breaker="{WRITES}",state="suggest_only"}} 1.0' in page


async def test_healed_by_reads(tmp_path: Path) -> None:
    """Once its time is over three good reads begin the ramp, in which one write in ten seconds passes, then all."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await one.look(WAITED_S)
        assert one.state(WRITES) is State.PROBING
        for _ in range(3):
            assert one.state(WRITES) is State.PROBING
            await one.read()
            await one.look()
        assert one.state(WRITES) is State.RAMPING
        assert outcome(await one.write()) == PASSED
        assert outcome(await one.write()) == PARKED
        await one.look(10.0)
        assert outcome(await one.write()) == PASSED
        for _ in range(4):
            await one.look(31.0)
        assert one.state(WRITES) is State.PASSING
        assert [outcome(await one.write()) for _ in range(3)] == [PASSED] * 3


async def test_probe_write(tmp_path: Path) -> None:
    """While it is tried one write at a time passes, by the one permit, where it is safe twice; three begin the ramp."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await one.look(WAITED_S)
        one.break_(None, method="POST", held=True)
        first = asyncio.create_task(one.write())
        await soon(one.upstream.faults.holding.is_set)
        assert outcome(await one.write()) == PARKED
        assert outcome(await one.delete()) == PARKED
        one.heal()
        assert outcome(await first) == PASSED
        for _ in range(2):
            await one.look()
            assert outcome(await one.write()) == PASSED
        await one.look()
        assert one.state(WRITES) is State.RAMPING


async def test_probe_fails(tmp_path: Path) -> None:
    """A probe that fails trips the breaker again, for longer."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await one.look(WAITED_S)
        one.break_(method="POST")
        await one.write()
        await one.look()
        breaker = one.of(WRITES)
        assert (breaker.state, breaker.trips) == (State.SUGGEST_ONLY, 2)
        assert breaker.until is not None
        assert (breaker.until - one.on.clock.now()).total_seconds() >= 48.0


async def test_probe_hangs(tmp_path: Path) -> None:
    """A probe that hangs keeps its permit for its lease and then counts as failed; its late end heals nothing."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await one.look(WAITED_S)
        one.break_(None, method="POST", held=True)
        hanging = asyncio.create_task(one.write())
        await soon(one.upstream.faults.holding.is_set)
        await one.look(64.0)
        assert one.of(WRITES).probe is not None
        await one.look(2.0)
        breaker = one.of(WRITES)
        assert (breaker.state, breaker.trips, breaker.probe) == (State.SUGGEST_ONLY, 2, None)
        one.heal()
        await hanging
        await one.look()
        assert one.of(WRITES) == breaker


async def test_blocked(tmp_path: Path) -> None:
    """Where reads fail throughout they are refused, too, and one at a time tries whether that is over."""
    async with ailing(tmp_path) as one:
        await one.blocked()
        one.upstream.wiretap.clear()
        refused = await one.read()
        assert marks(refused) == (503, BLOCKED, "no", "breakers:upstream-failing")
        assert outcome(await one.write()) == PARKED
        assert one.upstream.wiretap.requests == []
        await one.look(WAITED_S)
        one.break_(None, method="GET", held=True)
        first = asyncio.create_task(one.read())
        await soon(one.upstream.faults.holding.is_set)
        assert marks(await one.read())[0] == 503
        one.heal()
        assert outcome(await first) == PASSED
        for _ in range(2):
            await one.look()
            assert outcome(await one.read()) == PASSED
        await one.look()
        assert one.state(READS) is State.RAMPING


async def test_looks(tmp_path: Path) -> None:
    """While reads are blocked nothing is looked at for a write; then one look at a time tries, and heals."""
    async with ailing(tmp_path) as one:
        charge = charged(one.upstream)

        async def refund(amount: int) -> Answer:
            return await one.on.ask("POST", "/v1/refunds", agent="clerk", form={"charge": charge, "amount": amount})

        await one.blocked()
        one.upstream.wiretap.clear()
        assert outcome(await refund(100)) == PARKED
        assert one.upstream.wiretap.requests == []
        await one.look(WAITED_S)
        one.break_(None, method="GET", held=True)
        first = asyncio.create_task(refund(101))
        await soon(one.upstream.faults.holding.is_set)
        assert outcome(await refund(102)) == PARKED
        assert len(one.upstream.wiretap.requests) == 1
        one.heal()
        assert outcome(await first) == PARKED
        for oks in (1, 2):
            await one.look()
            assert (one.of(READS).oks, one.of(READS).probe) == (oks, None)
            assert outcome(await refund(102 + oks)) == PARKED
        await one.look()
        assert one.state(READS) is State.RAMPING


async def test_permit_back(tmp_path: Path) -> None:
    """A probe that says nothing of the upstream gives its permit back at once, and has healed nothing."""
    async with ailing(tmp_path) as one:
        await one.blocked()
        await one.look(WAITED_S)
        for _ in range(2):
            assert marks(await one.on.ask("GET", "/v1/customers/cus_none", agent="clerk"))[0] == 404
            await one.look()
        breaker = one.of(READS)
        assert (breaker.state, breaker.oks, breaker.probe) == (State.PROBING, 0, None)


async def test_hanging(tmp_path: Path) -> None:
    """An upstream that hangs trips its breaker before the first of its calls has ended."""
    async with ailing(tmp_path) as one:
        one.break_(None, method="POST", held=True)
        hanging = [asyncio.create_task(one.write()) for _ in range(5)]
        await soon(lambda: sum(r.method == "POST" for r in one.upstream.wiretap.requests) == len(hanging))
        await one.look(11.0)
        assert not any(task.done() for task in hanging)
        assert one.of(WRITES).why.startswith("T3")
        assert outcome(await one.write()) == PARKED
        one.heal()
        await asyncio.gather(*hanging)


async def test_throttled(tmp_path: Path) -> None:
    """An upstream that asks for fewer calls is left alone until the time that it named; no breaker moves by that."""
    async with ailing(tmp_path) as one:
        one.break_(Status(429, retry_after_s=90), method="GET")
        assert (await one.read()).status == 429
        one.upstream.wiretap.clear()
        for _ in range(20):
            assert marks(await one.read()) == (429, BLOCKED, "no", "throttle:upstream-throttled")
        assert (await one.write()).status == 429
        # What a limit would look at first is not asked for, either.
        refund = await one.on.ask("POST", "/v1/refunds", agent="clerk", form={"charge": "ch_1", "amount": 100})
        assert marks(refund)[3] == "throttle:upstream-throttled"
        assert one.upstream.wiretap.requests == []
        assert [breaker.key for breaker in one.on.rooms.observer.all()] == []
        one.heal()
        await one.look(89.0)
        assert (await one.read()).status == 429
        await one.look(2.0)
        assert outcome(await one.read()) == PASSED


async def test_unreachable(tmp_path: Path) -> None:
    """Where no connection can be made, the account of the one process that there is is blocked."""
    async with ailing(tmp_path, url=f"http://127.0.0.1:{closed_port()}") as one:
        for _ in range(8):
            await one.read()
            await one.look()
        assert one.state(READS) is State.BLOCKED
        assert marks(await one.read())[3] == "breakers:upstream-failing"


async def test_declined(tmp_path: Path) -> None:
    """Declines keep back the task that they belong to, and nobody else."""
    async with ailing(tmp_path) as one:
        one.break_(Status(402, kind="card_error", code="card_declined"), method="POST")
        for _ in range(5):
            assert (await one.write()).status == 402
        await one.look()
        one.heal()
        assert one.state(WRITES) is State.PASSING
        assert outcome(await one.write()) == PARKED
        assert outcome(await one.write(agent="scribe")) == PASSED


async def test_only_watches(tmp_path: Path) -> None:
    """A breaker that only watches moves, and is on record and announced, and keeps nothing back."""
    watching = {**CLERK, "breaker": {"act": "watch"}}
    async with ailing(tmp_path, breaker={"act": "watch"}, agents={"clerk": watching}) as one:
        await one.tripped()
        await soon(lambda: one.on.log.of("breaker"))
        assert one.on.log.of("breaker")[-1]["watch"] is True
        assert outcome(await one.write()) == PASSED


async def test_own_failures(tmp_path: Path) -> None:
    """What fails for one agent alone keeps back that agent, by its own breaker, and no other."""
    async with ailing(tmp_path, breaker=False) as one:
        one.break_(method="POST")
        for _ in range(2):
            await one.write()
        await one.look()
        one.heal()
        assert one.state("agent:clerk/stripe/write") is State.SUGGEST_ONLY
        assert outcome(await one.write()) == PARKED
        assert outcome(await one.write(agent="scribe")) == PASSED


async def test_restart(tmp_path: Path) -> None:
    """A breaker that has tripped is so after a restart, under its generation, and is tried when its time is over."""
    async with ailing(tmp_path) as one:
        await one.tripped()
        await soon(lambda: one.on.log.of("breaker"))
        before = one.of(WRITES)
    async with ailing(tmp_path) as one:
        await one.look()
        after = one.of(WRITES)
        assert (after.state, after.gen, after.until, after.trips) == (
            State.SUGGEST_ONLY, before.gen, before.until, before.trips,
        )  # fmt: skip
        assert outcome(await one.write()) == PARKED
        await one.look(WAITED_S)
        assert one.state(WRITES) is State.PROBING
        assert outcome(await one.write()) == PASSED
    # Whoever had the permit is gone with the process; the next one may try.
    async with ailing(tmp_path) as one:
        await one.look(WAITED_S)
        assert (one.state(WRITES), one.of(WRITES).probe) == (State.PROBING, None)
