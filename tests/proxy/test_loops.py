"""The loop guard on the road: told how calls end; it warns in a header, refuses in words, suspends who hammers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio

from breakers.guard import USUAL
from breakers.known import State
from breakers.looping import Looping
from breakers.store.protocol import StoreUnavailable
from loadtest.installation import agent
from loadtest.upstreams.stripe import StripeSandbox
from proxy.clock import SystemClock
from proxy.judgement import judged
from proxy.ledger.book import Delivered
from proxy.noticing import Watch, digest
from proxy.orders import TaskOrder
from proxy.trail import Trail
from tests.breakers.circling import comment, opened
from tests.breakers.stopping import halted
from tests.breakers.world import allow, before, policy
from tests.proxy.again import key, stripe
from tests.proxy.road import Road, call_of, charged, marks, road
from tests.proxy.scripted import Scripted, answer, scripted
from tests.wire.client import Answer

LIMITED: Mapping[str, object] = {
    "stripe": {
        "charges.retrieve": {},
        "customers.*": {},
        "payment_intents.retrieve": {},
        "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
    }
}


@asynccontextmanager
async def guarded(folder: Path, upstream: str, **more: object) -> AsyncIterator[Road]:
    """
    Give a road whose agent `support` has a card that says what a test says of loops.
    """
    async with road(folder, upstream, agents={"support": agent(LIMITED, **more)}) as running:
        yield running


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream


@pytest_asyncio.fixture
async def on(sandbox: StripeSandbox, tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give the road, with a card that says nothing of loops.
    """
    async with guarded(tmp_path, sandbox.url) as running:
        yield running


@pytest_asyncio.fixture
async def script() -> AsyncIterator[Scripted]:
    """
    Give an upstream that says what a test lays out.
    """
    async with scripted() as upstream:
        yield upstream


def said(answered: Answer) -> tuple[int, str | None]:
    """
    Return an answer's status and what the loop guard says in it.
    """
    return answered.status, answered.header("Breakwater-Loop")


def loop_of(answered: Answer) -> Mapping[str, Any]:
    """
    Return our fields of a refusal.
    """
    fields: Mapping[str, Any] = answered.json["error"]["breakwater"]
    return fields


async def test_same_error(on: Road, sandbox: StripeSandbox) -> None:
    """The third equal error is warned of, the fourth call is not sent, and a refusal says what was noticed."""
    heard = [said(await on.ask("GET", "/v1/charges/ch_gone")) for _ in range(3)]
    assert heard == [(404, None), (404, None), (404, "L1;n=3")]
    sent = len(sandbox.wiretap.requests)
    no = await on.ask("GET", "/v1/charges/ch_gone")
    assert marks(no) == (403, "denied", "no", "loops:loop-detected")
    assert said(no) == (403, "L2;n=4")
    assert len(sandbox.wiretap.requests) == sent
    assert (loop_of(no)["reason"], loop_of(no)["loop"], loop_of(no)["count"]) == ("loop-detected", "L2", "4")
    assert "another write of yours" in no.json["error"]["message"]
    assert await on.kinds(call_of(no)) == ["call.decision"]
    assert on.log.of("call")[-1]["loop"] == "L2;n=4"
    counted = on.rooms.metrics.registry.get_sample_value
    assert counted("breakwater_loops_noticed_total", {"api": "stripe", "rule": "L2"}) == 1


async def test_same_answer(on: Road, sandbox: StripeSandbox) -> None:
    """A read whose answer stays the same is warned of, refused, and free again after a write."""
    charge = f"/v1/charges/{charged(sandbox)}"
    heard = [said(await on.ask("GET", charge)) for _ in range(11)]
    assert heard == [*[(200, None)] * 4, *[(200, f"L3;n={count}") for count in range(5, 11)], (403, "L3;n=10")]
    assert (await on.ask("POST", "/v1/customers", form={"email": "a@example.com"})).status == 200
    assert said(await on.ask("GET", charge)) == (200, None)


async def test_not_judged(on: Road, sandbox: StripeSandbox) -> None:
    """A write whose judgement breaks off, whoever asked for it, was no call."""
    left: list[int] = []

    async def judging(*told: Any) -> object:
        try:
            return await judged(*told)
        except StoreUnavailable:
            windows = on.rooms.looping._agents.values()
            left.append(sum(len(times) for window in windows for times in window.places.values()))
            raise

    away = mock.patch.object(on.rooms.store, "reserve", side_effect=StoreUnavailable("it is away"))
    with mock.patch("proxy.pipeline.judged", judging), away:
        form = {"charge": charged(sandbox), "amount": 500}
        assert (await on.ask("POST", "/v1/refunds", agent="support", form=form)).status == 503
    assert left == [0]


async def test_changing_answer(on: Road, script: Scripted, tmp_path: Path) -> None:
    """A read whose answer changes is never refused, whole or streamed."""
    async with guarded(tmp_path / "other", script.url) as running:
        for number in range(15):
            script.then(answer(200, b'{"at":%d}' % number))
            script.then(answer(200, b"at %d" % number, "Content-Type: text/plain"))
            assert said(await running.ask("GET", "/v1/charges/ch_1")) == (200, None)
            assert said(await running.ask("GET", "/v1/customers/cus_1")) == (200, None)


async def test_streamed(script: Scripted, tmp_path: Path) -> None:
    """What is streamed is digested as it passes, however large, and an error in it is warned of in its head."""
    large = b"x" * 200_000
    async with guarded(tmp_path, script.url) as on:
        for number in range(12):
            script.then(_text(200, large + b"%d" % (number // 11)))
        heard = [said(await on.ask("GET", "/v1/charges/ch_1")) for _ in range(12)]
        # The warning stands in the head, before this answer is known.
        assert heard[4:7] == [(200, None), (200, "L3;n=5"), (200, "L3;n=6")]
        assert heard[10:] == [(403, "L3;n=10")] * 2
        for _ in range(3):
            script.then(_text(404, b"no"))
        script._scripts = script._scripts[-3:]
        assert [said(await on.ask("GET", "/v1/charges/ch_2")) for _ in range(3)][-1] == (404, "L1;n=3")
        assert said(await on.ask("GET", "/v1/charges/ch_2")) == (403, "L2;n=4")


def _text(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Status\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_passing_errors(script: Scripted, tmp_path: Path) -> None:
    """An upstream that fails or throttles is warned of and never refused, and one that says when is not even that."""
    async with guarded(tmp_path, script.url) as on:
        for _ in range(3 * 6):
            script.then(answer(500, b"{}"))
        heard = [said(await on.ask("GET", "/v1/charges/ch_1")) for _ in range(6)]
        assert heard == [(500, None), (500, None), *[(500, f"L1;n={count}") for count in range(3, 7)]]
        script._scripts.clear()
        for _ in range(12):
            script.then(answer(202, b"{}"))
        assert {said(await on.ask("GET", "/v1/charges/ch_2")) for _ in range(12)} == {(202, None)}


async def test_failed_write(on: Road) -> None:
    """A write that the API refuses in the same way again and again is not sent a fourth time."""
    ask = {"name": "x" * 10, "metadata[order]": "1", "email": "y" * 600}
    heard = [said(await on.ask("POST", "/v1/customers/cus_gone", form=ask, headers=key(f"k{n}"))) for n in range(4)]
    assert heard == [(404, None), (404, None), (404, "L1;n=3"), (403, "L2;n=4")]


async def test_replays(on: Road) -> None:
    """A write that is repeated over and over is answered from the first each time, and warned of."""
    form = {"email": "a@example.com"}
    heard = [said(await on.ask("POST", "/v1/customers", form=form, headers=key("k"))) for _ in range(7)]
    assert heard[0] == (200, None)
    assert heard[-2:] == [(200, "L3;n=5"), (200, "L3;n=6")]


def test_repeat_counts_nowhere() -> None:
    """A write that is counted, and then found to be a repeat of one that came meanwhile, counts nowhere."""
    looping, clock = Looping(), SystemClock()
    for number in range(40):
        made = opened(comment(str(number)))
        seen = looping.begin(made, USUAL, 1.0)
        watched = Watch(seen, (), looping, Trail(made.id, clock, 0.0), clock)
        assert watched.admit(allow(policy({"*": {}}), made)) is None
        watched.repeated(before(made, State.COMPLETED))


async def test_refusals(on: Road, sandbox: StripeSandbox) -> None:
    """The third refusal of one request says in words that repeating it changes nothing."""
    form = {"charge": charged(sandbox), "amount": "1000000"}
    answers = [await on.ask("POST", "/v1/refunds", form=form) for _ in range(3)]
    assert [said(one) for one in answers] == [(403, None), (403, None), (403, "L1;n=3")]
    assert "repeating it will not change that" in answers[2].json["error"]["message"]
    assert marks(answers[2])[3] == "limits:limit-exceeded"


async def test_hammering(on: Road, sandbox: StripeSandbox) -> None:
    """Twenty refusals within a minute suspend the task for a minute, in words; a second later it may go on."""
    charge = f"/v1/charges/{charged(sandbox)}"
    for number in range(20):
        on.clock.move(2)
        assert said(await on.ask("GET", f"/v1/unknown/{number}"))[0] == 403
    no = await on.ask("GET", charge)
    assert said(no) == (403, "refusals;n=20")
    assert "Nothing is done under it for a minute" in no.json["error"]["message"]
    on.clock.move(60)
    assert said(await on.ask("GET", charge)) == (200, None)


async def test_suspended_is_not_hammering(on: Road, sandbox: StripeSandbox) -> None:
    """Refusals that a suspension brings about do not make it longer."""
    charge = f"/v1/charges/{charged(sandbox)}"
    for number in range(20):
        await on.ask("GET", f"/v1/unknown/{number}")
    on.clock.move(30)
    assert {said(await on.ask("GET", charge)) for _ in range(25)} == {(403, "refusals;n=20")}
    on.clock.move(30)
    assert said(await on.ask("GET", charge)) == (200, None)


async def test_stopped_is_not_hammering(on: Road, sandbox: StripeSandbox) -> None:
    """What an operator's stop refuses counts as nobody's hammering."""
    await on.rooms.store.apply(halted(1))
    for number in range(25):
        form = {"email": f"{number}@example.com"}
        assert marks(await on.ask("POST", "/v1/customers", form=form))[3] == "kill:killed"
    assert said(await on.ask("GET", f"/v1/charges/{charged(sandbox)}")) == (200, None)


async def test_flood(on: Road) -> None:
    """Of a hundred and fifty refusals in a minute sixty are on record, and one summary that says how many more."""
    calls = [call_of(await on.ask("GET", f"/v1/unknown/{number}")) for number in range(150)]
    on.clock.move(61)
    await on.ask("GET", "/v1/unknown/last")
    newest = await on.newest(200)
    decided = [record.entry for record in newest if record.kind == "call.decision"]
    (summary,) = (record.entry for record in newest if record.kind == "agent.refused")
    assert len(calls) == 150
    assert len(decided) == 61
    assert summary["counts"] == {"operation-unknown": 90}


async def test_polled(on: Road, sandbox: StripeSandbox) -> None:
    """What the catalogue says is polled may be asked for every two seconds for twenty minutes."""
    target = "/v1/payment_intents/pi_gone"
    for _ in range(60):
        on.clock.move(20)
        assert said(await on.ask("GET", target)) == (404, None)
    assert said(await on.ask("GET", target))[0] == 404


async def test_off(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Under a card that turns it off nothing is noticed."""
    async with guarded(tmp_path, sandbox.url, loops=False) as on:
        assert {said(await on.ask("GET", "/v1/charges/ch_gone")) for _ in range(8)} == {(404, None)}


async def test_many_comments(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """More writes at one place than a card lets pass are parked, with what would let more pass."""
    async with guarded(tmp_path, sandbox.url, loops={"writes": 3}) as on:
        customer = (await on.ask("POST", "/v1/customers", form={"email": "a@example.com"})).json["id"]
        target = f"/v1/customers/{customer}"
        heard = [said(await on.ask("POST", target, form={"description": f"Text {n}."})) for n in range(4)]
        assert heard == [*[(200, None)] * 3, (403, "L5;n=3")]
        assert said(await on.ask("POST", "/v1/customers", form={"email": "b@example.com"})) == (200, None)


async def test_a_task_each(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """An agent that comes with another task for each call is held by what its card says of all of them."""
    charge = f"/v1/charges/{charged(sandbox)}"
    async with guarded(tmp_path, sandbox.url, caps={"hour": {"calls": 3}}) as on:
        heard = []
        for _ in range(4):
            opened = await on.rooms.tasks.open(TaskOrder(agent="support"))
            shown = (("Authorization", f"Bearer {opened.token.spelled()}"),)
            heard.append(await on.ask("GET", charge, key="", headers=shown))
        assert [one.status for one in heard] == [200, 200, 200, 403]
        assert (marks(heard[3])[3] or "").endswith(":budget-exhausted")


# two bodies, the members that are volatile, and whether the two say the same
@pytest.mark.parametrize(
    ("one", "other", "volatile", "same"),
    [
        (b'{"a":1}', b'{"a":1}', (), True),
        (b'{"a":1}', b'{"a":2}', (), False),
        (b'{"a":1,"at":"x"}', b'{"a":1,"at":"y"}', ("at",), True),
        (b'{"a":1,"at":"x\\"at\\":"}', b'{"a":1,"at": "yy"}', ("at",), True),
        (b'[{"at":1,"b":2}]', b'[{"at":22,"b":3}]', ("at",), False),
        (b'{"a":1,"at":null}', b'{"a":1,"at":"y"}', ("at",), True),
        (b'{"text":"\\"at\\": 1"}', b'{"text":"\\"at\\": 2"}', ("at",), False),
        (b'{"at":{"x":1}}', b'{"at":{"x":2}}', ("at",), False),
        (b"", b"", ("at",), True),
    ],
)
def test_digest(one: bytes, other: bytes, volatile: tuple[str, ...], same: bool) -> None:
    """Two answers are one result where they say the same, volatile members aside."""
    first, second = (digest(200, Delivered(200, body, len(body), complete=True), volatile) for body in (one, other))
    assert (first == second) is same
