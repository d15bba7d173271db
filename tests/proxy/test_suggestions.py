"""A parked write on the road: what its agent is told, who may approve it, and that it is sent once, as it was shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from config.money import Money
from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.errors import StartRefused
from tests.proxy.approving import ALLOW, ANA, BY_RULE, FINN, HOUSE, RESPOND, RITA, SHADOW, Stand, on_a_road
from tests.proxy.road import SECRET, charged, marks, soon
from tests.proxy.tasked import open_task, under

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with StripeSandbox(secret=SECRET) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, sandbox: StripeSandbox) -> AsyncIterator[Stand]:
    """
    Give one road for many tests whose agent's writes are all parked, for whoever looks.
    """
    async with on_a_road(tmp_path_factory.mktemp("suggestions"), sandbox) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def stand(shared: Stand) -> AsyncIterator[Stand]:
    """
    Give the road as if it were new: nothing waits, nothing was done, another charge.
    """
    shared.begin()
    yield shared
    await shared.clear()


async def test_parked(stand: Stand) -> None:
    """A parked write is a refusal in its API's shape that names the suggestion, and nothing is sent or taken for it."""
    answer = await stand.refund(1000)
    one = await stand.parked(answer)
    assert marks(answer) == (403, "suggested", "no", "approval:suggest-only")
    assert answer.header("Retry-After") is None
    said = answer.json["error"]["message"]
    assert said.startswith("Nothing was sent to Stripe.")
    assert one.id in said
    assert stand.effects == {}
    assert await stand.on.rooms.store.open_intents() == ()
    assert await stand.kinds(one) == ["approval.requested"]


async def test_joined(stand: Stand) -> None:
    """The same write again, with or without a key, joins the suggestion; another one under its key is refused."""
    first = await stand.parked(await stand.refund(1000, headers=[("Idempotency-Key", "k")]))
    for headers in ([("Idempotency-Key", "k")], [("Idempotency-Key", "another")], []):
        again = await stand.refund(1000, headers=headers)
        assert (again.status, (await stand.parked(again)).id) == (403, first.id)
    other = await stand.refund(1100, headers=[("Idempotency-Key", "k")])
    assert (other.status, other.reason) == (422, "idempotency-key-reused")
    assert (await stand.parked(await stand.refund(1100))).id != first.id
    assert len(await stand.desk.listed()) == 2


async def test_at_once(stand: Stand) -> None:
    """Of many equal writes at the same moment one is parked, and all others join it."""
    answers = await asyncio.gather(*(stand.refund(700) for _ in range(12)))
    assert len({answer.header("Breakwater-Suggestion") for answer in answers}) == 1
    assert len(await stand.desk.listed()) == 1


async def test_asked_for_202(stand: Stand) -> None:
    """Who asks for it is answered 202 with the suggestion and how it stands, now and when it comes again."""
    for _ in range(2):
        answer = await stand.refund(1000, headers=RESPOND)
        assert marks(answer) == (202, "suggested", "no", "approval:suggest-only")
        assert answer.header("Preference-Applied") == "respond-async"
        said = answer.json
        assert (said["state"], said["dispatched"], said["suggestion"]) == (
            "open", "no", answer.header("Breakwater-Suggestion"),
        )  # fmt: skip


async def test_carried_out_once(stand: Stand) -> None:
    """What is approved is sent once, as its agent's own write; the agent that sends it again has the answer."""
    one = await stand.parked(await stand.refund(1000))
    await stand.approve(one)
    await stand.carried(one)
    assert await stand.stage(one) == "executed"
    assert stand.effects == {"refund.created": 1}
    assert await stand.kinds(one) == [
        "approval.requested", "approval.decided:approved", "approval.ended:executed:applied",
    ]  # fmt: skip
    again = await stand.refund(1000)
    assert marks(again) == (200, "replayed", "yes", "repeats:replayed")
    assert again.json["amount"] == 1000
    found = await stand.on.rooms.store.suggestion(one.id)
    assert found is not None
    (intent,) = [entry for entry in await stand.on.on_record(found.intent) if entry.kind == "call.intent"]
    assert (intent.entry["sug"], intent.entry["act"]["agent"], intent.entry["task"]) == (one.id, "support", one.task)
    # Its answer has reached its caller: once more is another one, and a duplicate at that.
    more = await stand.parked(await stand.refund(1000))
    assert (more.id != one.id, set(more.answers)) == (
        True, {"tier:suggest", f"duplicate:refunds.create:{found.intent}"},
    )  # fmt: skip
    assert stand.effects == {"refund.created": 1}


async def test_found_by_its_key(stand: Stand) -> None:
    """What was carried out answers every repeat under its key."""
    key = [("Idempotency-Key", "mine")]
    one = await stand.parked(await stand.customer("Kay", headers=key))
    await stand.approve(one)
    for _ in range(3):
        assert (await stand.customer("Kay", headers=key)).header("Breakwater-Outcome") == "replayed"
    assert stand.effects == {"customer.created": 1}


async def test_waited_for(tmp_path: Path, sandbox: StripeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a decision is given the answer of the write once it was made, or that it was not approved."""
    async with on_a_road(tmp_path, sandbox, idle=False) as stand:
        # However slow the machine is: as long as the test itself.
        monkeypatch.setattr("proxy.parked.WAIT_MAX_S", 600)
        wait = [("Prefer", "wait=600"), ("Breakwater-Deadline-Ms", "600000")]
        waiting = asyncio.create_task(stand.refund(1000, headers=wait))
        await soon(lambda: len(stand.on.rooms.suggesting._changed) == 1)
        (one,) = await stand.desk.listed()
        await stand.desk.approve(one["suggestion"], (await stand.desk.shown(one["suggestion"]))["digest"], ANA)
        answer = await waiting
        assert (answer.status, answer.json["amount"]) == (200, 1000)
        waiting = asyncio.create_task(stand.customer("Ada", headers=wait))
        await soon(lambda: len(stand.on.rooms.suggesting._changed) == 1)
        (one,) = await stand.desk.listed()
        await stand.desk.reject(one["suggestion"], "not ours", ANA)
        assert marks(await waiting) == (403, "denied", "no", "approval:not-approved")


async def test_not_approved(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What was rejected is refused for an hour, under any key; after that it may be asked for again."""
    async with on_a_road(tmp_path, sandbox) as stand:
        one = await stand.parked(await stand.refund(1000))
        await stand.desk.reject(one.id, "this customer was refunded by hand", ANA)
        for headers in ([], [("Idempotency-Key", "fresh")]):
            again = await stand.refund(1000, headers=headers)
            assert marks(again) == (403, "denied", "no", "approval:not-approved")
            assert again.header("Breakwater-Suggestion") == one.id
        stand.on.clock.move(3601)
        assert (await stand.parked(await stand.refund(1000))).id != one.id
        assert await stand.kinds(one) == ["approval.requested", "approval.decided:rejected"]


async def test_expired(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """What nobody decided about in time is over; whoever sends it again asks anew, and nothing was sent."""
    async with on_a_road(tmp_path, sandbox) as stand:
        one, approved = await stand.parked(await stand.refund(1000)), await stand.parked(await stand.customer("Ada"))
        await stand.desk.approve(approved.id, approved.digest, ANA)
        stand.on.clock.move(24 * 3600)
        await stand.carried(approved)
        await stand.executing._lapsing.sweep()
        assert [await stand.stage(each) for each in (one, approved)] == ["expired:time", "expired:time"]
        with pytest.raises(StartRefused, match="does not wait any more"):
            await stand.desk.approve(one.id, one.digest, ANA)
        assert (await stand.parked(await stand.refund(1000))).id != one.id
        assert stand.effects == {}


async def test_by_rule(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """A rule parks what it names for its role and its time, people are told, and everything else passes."""
    async with on_a_road(tmp_path, sandbox, BY_RULE) as stand:
        assert (await stand.refund(1000)).status == 200
        answer = await stand.refund(2500)
        one = await stand.parked(answer)
        assert answer.reason == "approval-pending"
        assert (one.expires - one.at).total_seconds() == 900
        assert [line["suggestion"] for line in stand.on.log.of("suggestion")] == [one.id]
        for who, why in ((ANA, "does not hold"), (RITA, "does not hold"), (HOUSE, "only a person")):
            with pytest.raises(StartRefused, match=why):
                await stand.desk.approve(one.id, one.digest, who)
            with pytest.raises(StartRefused, match=why):
                await stand.desk.reject(one.id, "no", who)
        await stand.approve(one, FINN)
        assert stand.effects == {"refund.created": 2}


async def test_owner_barred(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Where the card says so, nobody approves what an agent of their own wants."""
    owners = {"business": "ana", "technical": "payments-platform", "model": "ml-steward"}
    card = agent({"stripe": ALLOW}, loops=False, tier="suggest", owners_approve=False) | {"owners": owners}
    async with on_a_road(tmp_path, sandbox, card) as stand:
        one = await stand.parked(await stand.refund(1000))
        with pytest.raises(StartRefused, match="is an owner of support"):
            await stand.desk.approve(one.id, one.digest, ANA)
        assert await stand.stage(one) == "open"


async def test_shadow(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """In the tier `shadow` a write is on record and in nobody's queue, and nobody is told of it."""
    async with on_a_road(tmp_path, sandbox, SHADOW, suggestions={"open_max": 1}) as stand:
        answer = await stand.refund(1000)
        one = await stand.parked(answer)
        assert marks(answer) == (403, "suggested", "no", "approval:suggest-only")
        assert await stand.desk.listed() == []
        assert [each["suggestion"] for each in await stand.desk.listed(shadow=True)] == [one.id]
        assert stand.on.log.of("suggestion") == []
        with pytest.raises(StartRefused, match="its tier is `shadow`"):
            await stand.desk.approve(one.id, one.digest, ANA)
        assert (await stand.stage(one), stand.effects) == ("open", {})
        full = await stand.customer("Ada")
        assert (marks(full), full.header("Breakwater-Suggestion")) == (
            (403, "denied", "no", "approval:suggest-only"), None,
        )  # fmt: skip


async def test_queue_full(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Beyond its bound an agent's writes are refused and counted, and none that waits is pushed out."""
    async with on_a_road(tmp_path, sandbox, suggestions={"open_max": 2}) as stand:
        kept = [await stand.parked(await stand.customer(name)) for name in ("a", "b")]
        for name in ("c", "d"):
            answer = await stand.customer(name)
            assert (answer.status, answer.header("Breakwater-Suggestion")) == (403, None)
        assert [each["suggestion"] for each in await stand.desk.listed()] == [one.id for one in kept]
        assert stand.on.rooms.metrics.suggestions.unkept.labels("stripe")._value.get() == 2
        await stand.desk.reject(kept[0].id, "no", ANA)
        await stand.parked(await stand.customer("c"))


async def test_edited(stand: Stand) -> None:
    """An edit is judged, recorded with its distance, and needs a word of its own; its agent finds what was made."""
    one = await stand.parked(await stand.refund(3000))
    with pytest.raises(StartRefused, match="limit-exceeded"):
        await stand.desk.edit(one.id, ["body.amount=20000"], "", ANA)
    with pytest.raises(StartRefused, match="says already"):
        await stand.desk.edit(one.id, ["body.amount=3000"], "", ANA)
    card = await stand.desk.edit(one.id, ["body.amount=500"], "half of it was delivered", ANA)
    assert (card["edit"], card["state"]) == ({"changed": 1, "of": 4, "micros": "-25000000"}, "open")
    with pytest.raises(StartRefused, match="not the digest"):
        await stand.desk.approve(one.id, one.digest, ANA)
    assert (await stand.parked(await stand.refund(3000))).id == one.id
    await stand.approve(one)
    again = await stand.refund(3000)
    assert (again.header("Breakwater-Outcome"), again.json["amount"]) == ("replayed", 500)
    assert stand.effects == {"refund.created": 1}


async def test_money_at_execution(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Nothing is taken of a cap while a write waits; where there is no room once it is approved, it is void."""
    card = agent({"stripe": ALLOW}, loops=False, tier="suggest", caps={"day": {"moved": "30 USD"}})
    async with on_a_road(tmp_path, sandbox, card) as stand:
        ones = [await stand.parked(await stand.refund(2000))]
        stand.charge = charged(sandbox)
        ones.append(await stand.parked(await stand.refund(2001)))
        assert [
            total for total in await stand.on.rooms.store.totals("agent:support") if total.held + total.settled
        ] == []
        (take,) = (await stand.desk.shown(ones[0].id))["takes"]
        assert (take["amount"], take["left"]) == (str(Money.parse("20 USD").micros), str(Money.parse("30 USD").micros))
        for one in ones:
            await stand.approve(one)
        assert [await stand.stage(one) for one in ones] == ["executed", "void:budget-exhausted"]
        (total,) = await stand.on.rooms.store.totals("agent:support")
        assert (total.settled, total.held) == (Money.parse("20 USD").micros, 0)


async def test_task_over(stand: Stand) -> None:
    """What was parked under a task waits no longer than it, and is void once it is closed."""
    task, token = await open_task(stand.on)
    one = await stand.parked(await under(stand.on, token, "POST", "/v1/customers", form={"name": "Ada"}))
    assert one.expires <= task.expires_at
    await stand.desk.approve(one.id, one.digest, ANA)
    await stand.on.rooms.tasks.close(task.id)
    await stand.carried(one)
    assert await stand.stage(one) == "void:task"
    assert stand.effects == {}


async def test_under_a_task(stand: Stand) -> None:
    """What a token's holder asked for is carried out under its task, charged where its calls are."""
    task, token = await open_task(stand.on, caps={"writes": 1})
    one = await stand.parked(await under(stand.on, token, "POST", "/v1/customers", form={"name": "Ada"}))
    await stand.approve(one)
    assert await stand.stage(one) == "executed"
    (total,) = await stand.on.rooms.store.totals(f"task:{task.id}")
    assert (total.measure, total.settled) == ("writes", 1)


async def test_card(stand: Stand) -> None:
    """The card shows what is sent, what it would change beside what is there, what it moves, and nothing is cut."""
    note = "x" * 5_000 + "\x1b[2J"
    await stand.approve(await stand.parked(await stand.customer("Carl")))
    customer = (await stand.customer("Carl")).json["id"]
    target = f"/v1/customers/{customer}"
    one = await stand.parked(await stand.on.ask("POST", target, form={"name": "Grace", "description": note}))
    card = await stand.desk.shown(one.id)
    assert card["request"]["body"]["form"] == [["name", "Grace"], ["description", note]]
    asks = {ask["path"]: (ask["was"], ask["becomes"]) for ask in card["would"]["asks"]}
    assert (card["would"]["act"], asks["/name"]) == ("update", ('"Carl"', '"Grace"'))
    assert card["before"]["customer"]["id"] == customer
    assert card["digest"] == one.digest
