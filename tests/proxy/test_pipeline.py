"""The ten stages, in order: every row of the table, and what stands around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.stops import ALL
from loadtest.upstreams.stripe import StripeSandbox
from tests.breakers.stopping import halted, running
from tests.proxy.road import SECRET, Road, call_of, charged, closed_port, first_sentence, marks, road
from tests.proxy.rows import BROKEN, CREATE, FORM, FORWARDED, NOTHING, REFUSED, WRITTEN, Row
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream of every row.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(sandbox: StripeSandbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give the road of every row.
    """
    timeouts = {"first_byte": "300ms"}
    async with road(tmp_path_factory.mktemp("road"), sandbox.url, timeouts=timeouts) as running:
        yield running


async def made(case: Row, on: Road, sandbox: StripeSandbox) -> Answer:
    """
    Make the row's call, and fail unless the upstream was left with its effects alone.
    """
    # Refusals of one agent are recorded one by one up to a bound a minute.
    on.clock.move(61)
    charge = charged(sandbox)
    sandbox.account.effects.clear()
    sandbox.wiretap.clear()
    sandbox.faults.add(*case.faults)
    form = case.form and {name: str(value).replace("{charge}", charge) for name, value in case.form.items()}
    epoch = (await on.rooms.store.stops()).by_scope[ALL].epoch
    await on.rooms.store.apply(halted(epoch + 1) if case.stopped else running(epoch + 1))
    try:
        target = case.target.replace("{charge}", charge)
        answer = await on.ask(
            case.method, target, headers=case.headers, key=case.key, form=form, body=case.body, media=case.media
        )
    finally:
        await on.rooms.store.apply(running(epoch + 2))
        sandbox.faults.clear()
    assert dict(sandbox.account.effects) == dict(case.effects)
    return answer


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_refused(case: Row, shared: Road, sandbox: StripeSandbox) -> None:
    """A call that a stage refuses is answered and recorded by that stage, and nothing of it reaches the upstream."""
    answer = await made(case, shared, sandbox)
    assert marks(answer) == (case.status, case.outcome, case.dispatched, case.decision)
    error = answer.json["error"]
    assert first_sentence(error["message"]) == case.sentence
    assert error["breakwater"]["call"] == call_of(answer)
    assert error["breakwater"]["reason"] == case.decision.partition(":")[2]
    assert answer.header("Stripe-Should-Retry") == "false"
    assert answer.header("Retry-After") is None
    assert await shared.kinds(call_of(answer)) == list(case.kinds)
    assert sandbox.wiretap.requests == []


@pytest.mark.parametrize("case", FORWARDED, ids=lambda case: case.name)
async def test_forwarded(case: Row, shared: Road, sandbox: StripeSandbox) -> None:
    """A call that passes is answered by the upstream, in its own words, and is on record as judged and as ended."""
    answer = await made(case, shared, sandbox)
    assert marks(answer) == (case.status, "executed", "yes", case.decision)
    assert answer.header("Retry-After") == case.retry_after
    # Of what was asked of the upstream, a refund's is not the last: it is followed by a look at the charge.
    asked = [seen.method for seen in sandbox.wiretap.requests]
    numbers = range(sandbox._requests - len(asked) + 1, sandbox._requests + 1)
    answered = len(asked) - 1 - asked[::-1].index(case.method)
    assert answer.header("Request-Id") == f"req_{numbers[answered]:014d}"
    assert asked.count(case.method) == case.sends
    assert b"breakwater" not in answer.body
    assert await shared.kinds(call_of(answer)) == list(case.kinds)
    assert await shared.rooms.store.open_intents() == ()


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
async def test_broken(case: Row, shared: Road, sandbox: StripeSandbox) -> None:
    """An exchange without a clear end is answered with what is known, and never in a way that invites a re-send."""
    answer = await made(case, shared, sandbox)
    assert marks(answer) == (case.status, case.outcome, case.dispatched, case.decision)
    assert first_sentence(answer.json["error"]["message"]) == case.sentence
    assert answer.header("Stripe-Should-Retry") == "false"
    assert answer.header("Retry-After") is None
    assert len([seen for seen in sandbox.wiretap.requests if seen.method == case.method]) == case.sends
    records = await shared.on_record(call_of(answer))
    assert [record.kind for record in records] == list(case.kinds)
    unknown = case.dispatched == "unknown"
    (ended,) = (record for record in records if record.kind == "call.outcome")
    assert (
        ended.entry["eff"]
        == {
            "unknown": "unknown",
            "yes": "applied" if case.effects else "not_applied",
        }[case.dispatched]
    )
    doubted = [intent.opened.intent for intent in await shared.rooms.store.open_intents() if intent.suspended]
    assert (call_of(answer) in doubted) is unknown


async def test_large_body(shared: Road, sandbox: StripeSandbox) -> None:
    """A body beyond its bound is refused from the head alone, or where it passes the bound, as 413."""
    head = [("Authorization", f"Bearer {shared.keys['support']}")]
    for more, body in (
        ([], None),
        ([("Transfer-Encoding", "chunked")], b"100000\r\n" + b"a" * 2**20 + b"\r\n1\r\na\r\n"),
    ):
        length = 2**20 + 1 if body is None else None
        connection = await shared.connect()
        await connection.send(shared.head("POST", "/v1/customers", [*head, *more], length, FORM) + (body or b""))
        answer = await connection.answer()
        await connection.end()
        assert answer is not None
        assert marks(answer) == (413, "denied", "no", "classify:body-too-large")
        assert await shared.kinds(call_of(answer)) == ["call.decision"]


async def test_unreachable(tmp_path: Path) -> None:
    """An upstream that cannot be reached is 503 with a time to try again, for reads and writes alike."""
    async with road(tmp_path, f"http://127.0.0.1:{closed_port()}") as on:
        for method, form, kinds in (("GET", None, ["call.outcome"]), ("POST", CREATE, list(WRITTEN))):
            answer = await on.ask(method, "/v1/customers", form=form)
            assert marks(answer) == (503, "denied", "no", "forward:upstream-unreachable")
            assert first_sentence(answer.json["error"]["message"]) == NOTHING
            assert answer.header("Retry-After") == "1"
            records = await on.on_record(call_of(answer))
            assert [record.kind for record in records] == kinds
            assert (records[-1].entry["eff"], records[-1].entry["sent"]) == ("not_applied", "no")
        assert await on.rooms.store.open_intents() == ()
