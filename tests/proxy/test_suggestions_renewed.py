"""What waits outlives a reload: it is judged anew once somebody wants it, and shown anew, or ended."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from breakers.decide import decide
from breakers.policy import Allowed
from breakers.stops import ALL, Mode
from breakers.store.protocol import StoreUnavailable
from breakers.suggestion import Cause, Park, Suggested
from breakers.verdict import Pending, Suggest
from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.stripe import StripeSandbox
from proxy.binding import reasons_of
from proxy.errors import LedgerUnavailable, StartRefused
from proxy.renewing import joined
from tests.proxy.approving import ANA, BY_RULE, FINN, SHADOW, SUGGEST, Stand, on_a_road
from tests.proxy.road import SECRET

OTHER = "f" * 64
ASKED_TWICE = ["approval.requested", "approval.requested"]


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as made:
        yield made


@pytest_asyncio.fixture
async def stand(tmp_path: Path, sandbox: StripeSandbox) -> AsyncIterator[Stand]:
    """
    Give a road whose agent's writes are all parked, for whoever looks.
    """
    async with on_a_road(tmp_path, sandbox) as made:
        yield made


def reload(stand: Stand, **rules: object) -> None:
    """
    Put another version of the policy in force, with other rules for the agent.
    """
    policy = stand.on.rooms.policy
    after = replace(policy.agents["support"], **rules)  # type: ignore[arg-type] # as the test says
    stand.on.rooms.policy = replace(policy, version=OTHER, agents={"support": after})


async def now(stand: Stand, one: Suggested) -> Suggested:
    """
    Return how a suggestion stands in the store.
    """
    found = await stand.on.rooms.store.suggestion(one.id)
    assert found is not None
    return found


async def test_outlives_reload(stand: Stand) -> None:
    """What waits is shown anew after a reload, for the same reasons under another digest, and is sent once."""
    one = await stand.parked(await stand.refund(1000))
    reload(stand)
    await stand.executing._lapsing.sweep()
    assert (await now(stand, one)).digest == one.digest
    shown = await stand.desk.shown(one.id)
    after = await now(stand, one)
    assert (after.answers, after.roles, after.expires) == (one.answers, one.roles, one.expires)
    assert (shown["digest"], json.loads(shown["shown"])["policy"]) == (after.digest, OTHER)
    assert after.digest != one.digest
    assert (await stand.desk.shown(one.id))["digest"] == after.digest
    with pytest.raises(StartRefused, match="not the digest"):
        await stand.desk.approve(one.id, one.digest, ANA)
    await stand.approve(one)
    await stand.carried(one)
    assert (await stand.stage(one), stand.effects) == ("executed", {"refund.created": 1})
    assert await stand.kinds(one) == [*ASKED_TWICE, "approval.decided:approved", "approval.ended:executed:applied"]


async def test_old_digest(stand: Stand) -> None:
    """A word for what was shown before a reload decides nothing: it must be looked at again."""
    one = await stand.parked(await stand.refund(1000))
    reload(stand)
    with pytest.raises(StartRefused, match="has changed") as no:
        await stand.desk.approve(one.id, one.digest, ANA)
    assert "look at it again" in str(no.value.hint)
    assert (await stand.stage(one), await stand.kinds(one)) == ("open", ASKED_TWICE)


async def test_refused_now(stand: Stand) -> None:
    """What the policy in force refuses is void once it is looked at, approved, edited or asked for again."""
    ones = [await stand.parked(await stand.refund(100 + number)) for number in range(4)]
    reload(stand, operations={})
    assert (await stand.desk.shown(ones[0].id))["why"] == "not-allowed"
    with pytest.raises(StartRefused, match="is void: not-allowed"):
        await stand.desk.approve(ones[1].id, ones[1].digest, ANA)
    with pytest.raises(StartRefused, match="is void: not-allowed"):
        await stand.desk.edit(ones[2].id, ["body.amount=50"], "", ANA)
    again = await stand.refund(103)
    assert (again.status, again.reason) == (403, "not-allowed")
    assert {await stand.stage(one) for one in ones} == {"void:not-allowed"}
    assert stand.effects == {}


async def test_approved_before(stand: Stand) -> None:
    """What was approved under another policy is void, by the sweep and when it would be sent."""
    ones = [await stand.parked(await stand.refund(100 + number)) for number in range(2)]
    for one in ones:
        await stand.desk.approve(one.id, one.digest, ANA)
    reload(stand)
    await stand.carried(ones[0])
    await stand.executing._lapsing.sweep()
    assert [await stand.stage(one) for one in ones] == ["void:policy", "void:policy"]
    assert stand.effects == {}


async def test_asked_again(stand: Stand) -> None:
    """The same write joins the one that waits after a reload, which is shown anew by that."""
    one = await stand.parked(await stand.refund(1000))
    reload(stand)
    again = await stand.parked(await stand.refund(1000))
    assert (again.id, again.version, again.digest != one.digest) == (one.id, one.version + 1, True)
    assert (await stand.parked(await stand.refund(1000))).digest == again.digest
    assert await stand.kinds(one) == ASKED_TWICE


async def test_more_roles(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A rule that parks it since a reload adds its role, and none that was needed is lost."""
    async with on_a_road(tmp_path, sandbox, BY_RULE) as stand:
        one = await stand.parked(await stand.refund(3000))
        assert one.roles == ("finance",)
        rules = stand.on.rooms.policy.agents["support"].operations
        allowed = rules["stripe", "refunds.create"]
        assert isinstance(allowed, Allowed)
        plain = Allowed(tuple(replace(entry, approval=None) for entry in allowed.entries))
        reload(stand, tier="approve", operations={**rules, ("stripe", "refunds.create"): plain})
        shown = await stand.desk.shown(one.id)
        after = await now(stand, one)
        assert (after.roles, after.answers) == (("approver", "finance"), ("tier:approve",))
        with pytest.raises(StartRefused, match="does not hold"):
            await stand.desk.approve(one.id, shown["digest"], ANA)
        await stand.approve(one, FINN)
        assert stand.effects == {"refund.created": 1}


async def test_not_now(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be judged or put on record just now stays as it was shown, and nobody approves it so."""
    one = await stand.parked(await stand.refund(1000))
    reload(stand)
    stand.sandbox.faults.add(Fault(Status(500), method="GET", times=None))
    assert (await stand.desk.shown(one.id))["digest"] == one.digest
    with pytest.raises(StartRefused, match="cannot be asked now"):
        await stand.desk.approve(one.id, one.digest, ANA)
    stand.sandbox.faults.clear()

    async def full(*_: object) -> Suggested:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(stand.on.rooms.suggesting.records, "requested", full)
        assert (await stand.desk.shown(one.id))["digest"] == one.digest
    assert await now(stand, one) == one
    await stand.approve(one)
    assert stand.effects == {"refund.created": 1}


async def test_throttled(stand: Stand) -> None:
    """An upstream that asked for fewer calls is not asked for the sake of what waits."""
    one = await stand.parked(await stand.refund(1000))
    reload(stand)
    stand.sandbox.faults.add(Fault(Status(429, retry_after_s=90), method="GET"))
    assert (await stand.on.ask("GET", f"/v1/charges/{stand.charge}")).status == 429
    stand.sandbox.wiretap.clear()
    assert (await stand.desk.shown(one.id))["digest"] == one.digest
    assert (await stand.parked(await stand.refund(1000))).digest == one.digest
    assert stand.sandbox.wiretap.requests == []


async def test_turn_once(stand: Stand) -> None:
    """What is judged once more, because what it would have joined has ended, has one turn with what it touches."""
    rooms, one = stand.on.rooms, await stand.parked(await stand.refund(1000))
    reload(stand, operations={})
    said, touched = [Pending(one), None], [("stripe", "charge", stand.charge)]
    with contextlib.ExitStack() as turn:

        async def judge() -> Pending | None:
            turn.enter_context(rooms.pending.turn("later", touched))
            return said.pop(0)

        waits = await judge()
        assert waits is not None
        assert await joined(waits, judge, turn, rooms) is None
        assert "1 turns" in repr(rooms.pending)
    assert "0 turns" in repr(rooms.pending)
    assert await stand.stage(one) == "void:not-allowed"


async def test_reason_of_then(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that parked a write is a reason still after a reload, a stop as long as it is in force."""
    switch, loop = stand.on.rooms.killswitch, Park(Cause.LOOP, "refunds.create", "Many of them.", within_s=60.0)
    await switch.order(ALL, Mode.SUGGEST, "rita", "looking")
    ones = [await stand.parked(await stand.refund(100))]
    with monkeypatch.context() as patched:

        def looping(*of: Any) -> Any:
            said = decide(*of)
            return replace(said, parked=(*said.parked, loop)) if isinstance(said, Suggest) else said

        patched.setattr("proxy.judgement.decide", looping)
        ones.append(await stand.parked(await stand.refund(200)))
    reload(stand)
    await stand.desk.shown(ones[0].id)
    assert set((await now(stand, ones[0])).answers) == {"tier:suggest", f"kill:{ALL}"}
    await switch.order(ALL, Mode.RUN, "rita", "looked")
    shown = json.loads((await stand.desk.shown(ones[1].id))["shown"])
    assert set((await now(stand, ones[1])).answers) == {"tier:suggest", loop.id}
    assert dict(*reasons_of((loop,))) in shown["reasons"]


@pytest.mark.parametrize(("card", "tier"), [(SHADOW, "suggest"), (SUGGEST, "shadow")])
async def test_shadow(tmp_path: Path, sandbox: StripeSandbox, card: Mapping[str, object], tier: str) -> None:
    """Where nobody was asked and is to be since a reload, or the other way round, its agent asks anew."""
    async with on_a_road(tmp_path, sandbox, card) as stand:
        one = await stand.parked(await stand.refund(1000))
        reload(stand, tier=tier)
        again = await stand.parked(await stand.refund(1000))
        assert (again.id != one.id, again.shadow) == (True, tier == "shadow")
        assert await stand.stage(one) == "void:policy"


async def test_restart_between(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What waits outlives restarts too: before it was judged by another policy, and after."""
    async with on_a_road(tmp_path, sandbox) as stand:
        charge, one = stand.charge, await stand.parked(await stand.refund(1000))
    digests = [one.digest]
    for minutes in ("61m", "62m"):
        async with on_a_road(tmp_path, sandbox, suggestions={"expire": minutes}) as stand:
            assert (await now(stand, one)).digest == digests[-1]
            digests.append((await stand.desk.shown(one.id))["digest"])
    assert len(set(digests)) == 3
    async with on_a_road(tmp_path, sandbox, suggestions={"expire": "62m"}) as stand:
        stand.charge = charge
        with pytest.raises(StartRefused, match="not the digest"):
            await stand.desk.approve(one.id, one.digest, ANA)
        await stand.desk.approve(one.id, digests[-1], ANA)
        await stand.carried(one)
        assert (await stand.stage(one), stand.effects) == ("executed", {"refund.created": 1})


async def test_store_not_told(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was shown anew and is only on record when the process ends is what waits at the next start."""
    async with on_a_road(tmp_path, sandbox) as stand:
        one = await stand.parked(await stand.refund(1000))

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    async with on_a_road(tmp_path, sandbox, suggestions={"expire": "61m"}) as stand:
        monkeypatch.setattr(stand.on.rooms.suggesting, "tell", away)
        with pytest.raises(StoreUnavailable):
            await stand.desk.shown(one.id)
        assert (await now(stand, one)).version == one.version
    async with on_a_road(tmp_path, sandbox, suggestions={"expire": "61m"}) as stand:
        after = await now(stand, one)
        assert (str(after.stage), after.version, after.digest != one.digest) == ("open", one.version + 1, True)
        with pytest.raises(StartRefused, match="not the digest"):
            await stand.desk.approve(one.id, one.digest, ANA)
        await stand.approve(after)
        assert stand.effects == {"refund.created": 1}
