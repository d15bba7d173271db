"""What was approved and is not what would be sent is never sent; what is only kept back is sent once it may be."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from yarl import URL

from breakers.breaker import State
from breakers.observe import forced, released
from breakers.stops import ALL, Mode
from breakers.store.events import SuggestionNoted
from breakers.suggestion import Suggested
from config.catalog import Effect
from config.routes import Catalog
from loadtest.installation import agent
from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Charge
from proxy.binding import digest_of
from proxy.errors import StartRefused
from proxy.ledger.approvals import Showing
from proxy.secret import Secret
from tests.canary.forms import secret
from tests.proxy.approving import ALLOW, ANA, Stand, on_a_road
from tests.proxy.road import SECRET
from tests.redis_server import fresh_redis, redis_server

__all__ = ["fresh_redis", "redis_server"]

FLIPS = 24
"""Bytes of the record that are turned, each of another suggestion, on the whole road."""


@pytest_asyncio.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """
    Give a road whose agent's writes are all parked, for whoever looks.
    """
    async with StripeSandbox(secret=SECRET) as sandbox, on_a_road(tmp_path, sandbox) as made:
        yield made
        sandbox.faults.clear()


async def approved(stand: Stand, number: int) -> Suggested:
    """
    Park a refund and approve it, without its being sent.
    """
    one = await stand.parked(await stand.refund(100 + number))
    await stand.desk.approve(one.id, one.digest, ANA)
    return one


def _turned(stand: Stand) -> None:
    stand.on.rooms.accounts["stripe"].credential.turn([("stripe@2", Secret(secret("turned")))])


def _reloaded(stand: Stand) -> None:
    stand.on.rooms.policy = replace(stand.on.rooms.policy, version="f" * 64)


def _moved(stand: Stand) -> None:
    account = stand.on.rooms.accounts["stripe"]
    origins = {base: URL("http://127.0.0.1:1") for base in account.origins}
    stand.on.rooms.accounts = {"stripe": replace(account, origins=origins)}


def _refunded(stand: Stand) -> None:
    stand.sandbox.account.get(Charge, "charge", stand.charge).amount_refunded += 1


def _revoked(stand: Stand) -> None:
    for key in stand.on.rooms.keys.all():
        stand.on.rooms.keys.revoked(key.kid)


def _upgraded(stand: Stand) -> None:
    account = stand.on.rooms.accounts["stripe"]
    known = account.catalog
    specs = [replace(spec, effect=Effect.READ) for spec in known.operations.values()]
    catalog = Catalog.build(known.name, known.dialect, specs, known.digest, known.objects)
    stand.on.rooms.accounts = {"stripe": replace(account, catalog=catalog)}


# What happens between an approver's word and the moment in which it would be sent, and why it is void then.
MEANWHILE: dict[str, Callable[[Stand], None]] = {
    "void:before": _refunded,
    "void:credential": _turned,
    "void:target": _moved,
    "void:policy": _reloaded,
    "void:record": _upgraded,
    "void:key": _revoked,
}


async def test_world_moved(stand: Stand) -> None:
    """An approval is void once the credential, policy, origin, key or object is another, or the write is a read."""
    rooms = stand.on.rooms
    policy, accounts = rooms.policy, rooms.accounts
    for number, (why, happens) in enumerate(MEANWHILE.items()):
        ones = [await approved(stand, number), await stand.parked(await stand.refund(200 + number))]
        happens(stand)
        await stand.carried(ones[0])
        assert await stand.stage(ones[0]) == why
        if why not in {"void:before", "void:target"}:
            # One that nobody has approved outlives a reload, and no word for what was shown before it.
            with pytest.raises(StartRefused, match="has changed" if why == "void:policy" else "is void"):
                await stand.desk.approve(ones[1].id, ones[1].digest, ANA)
        rooms.policy, rooms.accounts = policy, accounts
        rooms.accounts["stripe"].credential.turn([("stripe", Secret(SECRET))])
    assert stand.effects == {}


async def test_any_byte_on_record(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever byte of what was shown is another one when it is read again, nothing is sent."""
    draw, records = random.Random(8), stand.on.rooms.suggesting.records
    read = records.at

    def flipped(place: str) -> Showing:
        showing = read(place)
        at = draw.randrange(len(showing.shown))
        other = bytes([showing.shown[at] ^ draw.randrange(1, 256)])
        return replace(showing, shown=showing.shown[:at] + other + showing.shown[at + 1 :])

    for number in range(FLIPS):
        one = await approved(stand, number)
        with monkeypatch.context() as patched:
            patched.setattr(records, "at", flipped)
            await stand.carried(one)
        assert await stand.stage(one) in {"void:digest", "void:record"}
    assert stand.effects == {}


async def test_another_digest(stand: Stand) -> None:
    """What the store has under another digest than that of what is on record is not what was approved."""
    one, records = await approved(stand, 0), stand.on.rooms.suggesting.records
    read = records.at
    forged = read(one.place).shown.replace(b'"100"', b'"900"')
    assert forged != read(one.place).shown
    known = await stand.on.rooms.store.suggestion(one.id)
    assert known is not None
    other = replace(known, digest=digest_of(forged), version=known.version + 1)
    await stand.on.rooms.store.apply(SuggestionNoted(other))
    await stand.carried(one)
    assert await stand.stage(one) == "void:digest"
    assert stand.effects == {}


async def test_rule_refuses(stand: Stand) -> None:
    """A word answers no refusal: what a rule refuses when it would be sent is void."""
    one = await approved(stand, 0)
    policy = stand.on.rooms.policy
    rules = replace(policy.agents["support"], operations={})
    stand.on.rooms.policy = replace(policy, agents={"support": rules})
    await stand.carried(one)
    assert await stand.stage(one) == "void:not-allowed"
    assert stand.effects == {}


async def test_stopped_meanwhile(stand: Stand) -> None:
    """While writes are stopped what was approved stays approved and is not sent; it is sent once they may pass."""
    one = await approved(stand, 0)
    switch = stand.on.rooms.killswitch
    await switch.order(ALL, Mode.STOP_WRITES, "rita", "looking")
    await stand.carried(one)
    assert await stand.stage(one) == "approved"
    assert (await stand.desk.shown(one.id))["kept_back"]["reason"] == "killed"
    assert [line["why"] for line in stand.on.log.of("suggestion")] == ["killed"]
    assert stand.effects == {}
    await switch.order(ALL, Mode.RUN, "rita", "looked")
    await stand.carried(one)
    assert await stand.stage(one) == "executed"
    assert stand.effects == {"refund.created": 1}


async def test_new_reason(stand: Stand) -> None:
    """A reason that nobody was asked about puts it before an approver again, with all of them."""
    one = await approved(stand, 0)
    await stand.on.rooms.killswitch.order(ALL, Mode.SUGGEST, "rita", "looking")
    await stand.carried(one)
    now = await stand.on.rooms.store.suggestion(one.id)
    assert now is not None
    assert (str(now.stage), set(now.answers), now.by) == ("open", {"tier:suggest", f"kill:{ALL}"}, "")
    assert (now.digest != one.digest, now.expires) == (True, one.expires)
    with pytest.raises(StartRefused, match="not the digest"):
        await stand.desk.approve(one.id, one.digest, ANA)
    await stand.approve(now)
    assert await stand.stage(one) == "executed"
    assert stand.effects == {"refund.created": 1}
    assert await stand.kinds(one) == [
        "approval.requested",
        "approval.decided:approved",
        "approval.requested",
        "approval.decided:approved",
        "approval.ended:executed:applied",
    ]


async def test_unseen_for_now(stand: Stand) -> None:
    """Where what it touches cannot be read when it would be sent, that is tried again, and not taken for a change."""
    one = await approved(stand, 0)
    stand.sandbox.faults.add(Fault(Status(500), method="GET", times=None))
    await stand.carried(one)
    assert await stand.stage(one) == "approved"
    stand.sandbox.faults.clear()
    await stand.carried(one)
    assert await stand.stage(one) == "executed"


async def test_never_stored(tmp_path: Path) -> None:
    """What holds a value that is never stored is shown without it, and cannot be approved, only rejected."""
    allow = {**ALLOW, "payment_methods.create": {}}
    card = agent({"stripe": allow}, loops=False, tier="suggest")
    async with StripeSandbox(secret=SECRET) as sandbox, on_a_road(tmp_path, sandbox, card) as stand:
        form = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": 8, "card[exp_year]": 2030}
        one = await stand.parked(await stand.on.ask("POST", "/v1/payment_methods", form=form))
        shown = await stand.desk.shown(one.id)
        assert "4242" not in shown["shown"]
        assert (shown["can_be_made"], bool(shown["request"]["left_out"])) == (False, True)
        with pytest.raises(StartRefused, match="never stored"):
            await stand.desk.approve(one.id, one.digest, ANA)
        await stand.desk.reject(one.id, "by hand", ANA)
        assert await stand.stage(one) == "rejected"
        form["card[exp_month]"] = 9
        one = await stand.parked(await stand.on.ask("POST", "/v1/payment_methods", form=form))
        _reloaded(stand)
        # It is not all there to be judged anew.
        assert (await stand.desk.shown(one.id))["state"] == "void"
        assert await stand.stage(one) == "void:policy"


# ------------------------------------------------------------------------------------------------------------- races


Race = Callable[[Stand, Suggested], Awaitable[Any]]


async def _approve(stand: Stand, one: Suggested) -> None:
    await stand.desk.approve(one.id, one.digest, ANA)
    await stand.executing.execute(one.id)


async def _reject(stand: Stand, one: Suggested) -> None:
    await stand.desk.reject(one.id, "no", ANA)


async def _expire(stand: Stand, one: Suggested) -> None:
    stand.on.clock.at = max(stand.on.clock.at, one.expires)
    await stand.executing._lapsing.sweep()


async def _kill(stand: Stand, one: Suggested) -> None:
    await stand.on.rooms.killswitch.order(ALL, Mode.STOP_WRITES, "rita")


async def _again(stand: Stand, one: Suggested) -> None:
    await stand.executing.execute(one.id)


RACERS: tuple[Race, ...] = (_approve, _approve, _reject, _expire, _kill, _again, _again)


async def race(stand: Stand, seed: int) -> Suggested:
    """
    Let everything that may happen to one suggestion happen at once, in an order that the seed draws.
    """
    draw = random.Random(seed)
    one = await stand.parked(await stand.customer(f"customer {seed}"))

    async def late(racer: Race, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await racer(stand, one)

    racers = draw.sample(RACERS, draw.randrange(3, len(RACERS) + 1))
    results = await asyncio.gather(*(late(racer, draw.randrange(30)) for racer in racers), return_exceptions=True)
    assert all(result is None or isinstance(result, StartRefused) for result in results), results
    await stand.on.rooms.killswitch.order(ALL, Mode.RUN, "rita")
    await stand.carried(one)
    return one


async def one_end(stand: Stand, one: Suggested, made: int) -> int:
    """
    Hold what a race left against the record, and return how many were made since there were so many.
    """
    await stand.executing._lapsing.sweep()
    kinds, stage = await stand.kinds(one), (await stand.stage(one)).partition(":")[0]
    while stage == "executed" and not any(kind.startswith("approval.ended") for kind in kinds):
        # The store is told behind the road: whoever carries it out may ask before that, and then the sweep has it.
        await asyncio.sleep(0.01)
        await stand.executing._lapsing.sweep()
        kinds = await stand.kinds(one)
    ends = [kind for kind in kinds if kind.startswith("approval.ended") or kind.endswith("rejected")]
    new = stand.effects.get("customer.created", 0) - made
    # A stop may come between its intent and its first byte: then it was carried out, to no effect.
    assert new == kinds.count("approval.ended:executed:applied"), (stage, kinds)
    assert len(ends) == (stage in {"executed", "rejected", "expired", "void"}), (stage, kinds)
    return new


@pytest.mark.parametrize(("store", "seeds"), [("memory", 30), ("redis", 10)])
async def test_races(store: str, seeds: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """However approvals, rejections, time, a stop and executions meet, there is one end, and one execution at most."""
    url = store if store == "memory" else request.getfixturevalue("fresh_redis").url
    settings: dict[str, Any] = {"store": url, "suggestions": {"expire": "1h"}}
    async with StripeSandbox(secret=SECRET) as sandbox, on_a_road(tmp_path, sandbox, **settings) as stand:
        made, ends = 0, set()
        for seed in range(seeds):
            one = await race(stand, seed)
            made += await one_end(stand, one, made)
            ends.add((await stand.stage(one)).partition(":")[0])
        assert store != "memory" or {"executed", "rejected"} <= ends


async def test_unseen(stand: Stand) -> None:
    """What was parked while nothing could be read is shown again, with what is seen, before it is sent."""
    at, rooms = stand.on.clock.now(), stand.on.rooms
    reads = "api:stripe/read"
    await rooms.observer.change(
        reads, lambda known: forced(known, reads, State.FORCED_BLOCKED, by="rita", why="a test", at=at)
    )
    stand.sandbox.wiretap.clear()
    one = await stand.parked(await stand.refund(1000))
    assert one.answers == (f"breaker:{reads}", "tier:suggest")
    await stand.approve(one)
    assert (await stand.stage(one), stand.sandbox.wiretap.requests) == ("approved", [])
    await rooms.observer.change(reads, lambda known: known and released(known, by="rita", why="a test", at=at))
    await stand.carried(one)
    again = await stand.parked(await stand.refund(1000))
    assert (again.id, str(again.stage), again.answers) == (one.id, "open", ("tier:suggest",))
    assert (json.loads((await stand.desk.shown(one.id))["shown"])["moves"], stand.effects) == (
        {"micros": "10000000", "currency": "USD"}, {},
    )  # fmt: skip
    await stand.approve(again)
    assert (await stand.stage(one), stand.effects) == ("executed", {"refund.created": 1})


async def test_nothing_unseen(stand: Stand) -> None:
    """An edit is not looked at, either, while reads are blocked."""
    one = await stand.parked(await stand.refund(1000))
    at, reads = stand.on.clock.now(), "api:stripe/read"
    await stand.on.rooms.observer.change(
        reads, lambda known: forced(known, reads, State.FORCED_BLOCKED, by="rita", why="a test", at=at)
    )
    stand.sandbox.wiretap.clear()
    await stand.desk.edit(one.id, ["body.amount=900"], "", ANA)
    assert stand.sandbox.wiretap.requests == []
    assert (await stand.parked(await stand.refund(1000))).answers == (f"breaker:{reads}", "tier:suggest")
