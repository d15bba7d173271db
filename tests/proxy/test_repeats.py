"""Repeats under a key: what is given again, to whom, marked how, for how long, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from loadtest.installation import agent
from loadtest.upstreams.faults import Fault, HangUp, Status
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.breakers.stopping import halted, running
from tests.proxy.again import ISSUES, at_hub, comment, ended, hub, is_replay, key, opened, posts, stripe
from tests.proxy.road import SECRET, THROTTLED_S, Headers, Road, call_of, charged, first_sentence, marks, road
from tests.proxy.rows import CREATE, NOTHING, SENDS, SENT
from tests.proxy.scripted import answer, scripted
from tests.wire.client import Answer

CUSTOMERS = "/v1/customers"
REFUSED_CARD = {"amount": 100, "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa_chargeDeclined"}


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
    Give the road.
    """
    async with road(tmp_path, sandbox.url) as running:
        yield running


async def test_replayed(on: Road, sandbox: StripeSandbox) -> None:
    """A repeat has the first answer whole, for as long as answers are kept, and is on record as one of the first."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert first.header("Idempotent-Replayed") is None
    on.clock.move(7 * 86_400 - 1)
    again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    is_replay(again, first)
    assert sandbox.account.effects == {"customer.created": 1}
    (record,) = await on.on_record(call_of(again))
    said = {name: record.entry[name] for name in ("k", "par", "how", "st")}
    assert said == {"k": "call.decision", "par": call_of(first), "how": "replay", "st": 200}
    assert record.entry["pol"] == {"verdict": "repeat"}


async def test_counted(on: Road) -> None:
    """A repeat is counted by API and manner, is no refusal, and its line names the first."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    counted = on.rooms.metrics.registry.get_sample_value
    assert counted("breakwater_repeats_total", {"api": "stripe", "how": "replay"}) == 1
    said = {"api": "stripe", "effect": "write", "verdict": "repeat", "outcome": "replayed"}
    assert counted("breakwater_calls_total", said) == 1
    line = on.log.of("call")[-1]
    assert (line["verdict"], line["reason"], line["intent"]) == ("repeat", "", call_of(first))


async def test_forgotten_answer(on: Road, sandbox: StripeSandbox) -> None:
    """Once answers are kept no longer the key is still known: it is answered that it was used, and nothing is sent."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    on.clock.move(7 * 86_400 + 1)
    again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(again) == (424, "executed", "yes", "repeats:answer-not-kept")
    assert first_sentence(again.json["error"]["message"]) == SENT
    said = again.json["error"]["breakwater"]
    assert (said["intent"], said["status"]) == (call_of(first), "200")
    assert again.header("Breakwater-Intent") == call_of(first)
    assert again.header("Retry-After") is None
    assert sandbox.account.effects == {"customer.created": 1}


async def test_one_key_two_spellings(on: Road, sandbox: StripeSandbox) -> None:
    """A key is the same with quotes, as the IETF has it, and without, as vendors do."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("abc"))
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key('"abc"')), first)
    assert posts(sandbox) == 1


@pytest.mark.parametrize(
    "bad", [key(""), key('""'), key("a" * 256), key("a b"), key("a\x01"), key("é"), (*key("a"), *key("a"))]
)
async def test_malformed(bad: Headers, on: Road, sandbox: StripeSandbox) -> None:
    """A key that is empty, too long, not printable or given twice is refused, and nothing is sent."""
    no = await on.ask("POST", CUSTOMERS, form=CREATE, headers=bad)
    assert no.status == 400
    assert no.reason in {"idempotency-key-malformed", "head-malformed"}
    assert posts(sandbox) == 0


@pytest.mark.parametrize(
    ("target", "form"),
    [(CUSTOMERS, {"name": "b"}), (f"{CUSTOMERS}/cus_1", CREATE)],
    ids=["another body", "another object"],
)
async def test_another_request(target: str, form: dict[str, str], on: Road, sandbox: StripeSandbox) -> None:
    """A key that comes with another request is refused, and the refusal names the call that used it."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    no = await on.ask("POST", target, form=form, headers=key("k"))
    assert marks(no) == (422, "denied", "no", "repeats:idempotency-key-reused")
    assert no.json["error"]["breakwater"]["intent"] == call_of(first) == no.header("Breakwater-Intent")
    assert no.json["error"]["breakwater"]["call"] == call_of(no)
    assert no.header("Retry-After") is None
    assert "customers.create" in no.json["error"]["message"]
    assert posts(sandbox) == 1
    assert await on.kinds(call_of(no)) == ["call.decision"]


async def test_another_agent(on: Road, sandbox: StripeSandbox) -> None:
    """An agent that guesses another's key gets nothing of that: both keys are its own."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    other = await on.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("k"), agent="platform")
    assert marks(other) == (200, "executed", "yes", "forward:allowed")
    assert other.json["id"] != first.json["id"]
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    assert sandbox.account.effects == {"customer.created": 2}


async def test_another_credential(on: Road) -> None:
    """A repeat that comes with another key of the same agent is the same repeat."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    on.keys["support"] = await on.mint("support")
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)


async def test_refused_by_the_vendor(on: Road, sandbox: StripeSandbox) -> None:
    """A definite no is kept and given again, and so is a decline."""
    for name, form, status in (
        ("bad", {"amount": 100, "currency": "usd", "payment_method": "pm_none"}, 400),
        ("declined", REFUSED_CARD, 402),
    ):
        first = await on.ask("POST", "/v1/payment_intents", form=form, headers=key(name))
        assert first.status == status
        sandbox.wiretap.clear()
        is_replay(await on.ask("POST", "/v1/payment_intents", form=form, headers=key(name)), first)
        assert posts(sandbox) == 0


@pytest.mark.parametrize("status", [401, 403, 409, 429, 501])
async def test_not_kept(status: int, on: Road, sandbox: StripeSandbox) -> None:
    """What says nothing of what was asked is not kept: the same key goes through once it may."""
    sandbox.faults.add(Fault(Status(status)))
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert (first.status, first.header("Breakwater-Outcome")) == (status, "executed")
    # Who asked for fewer calls is left alone meanwhile.
    on.clock.move(THROTTLED_S)
    second = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(second) == (200, "executed", "yes", "forward:allowed")
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), second)
    assert sandbox.account.effects == {"customer.created": 1}


async def test_refused_by_us(on: Road, sandbox: StripeSandbox) -> None:
    """A refusal of ours is not kept: the same key goes through once nothing stands in its way."""
    await on.rooms.store.apply(halted(2))
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).reason == "killed"
    await on.rooms.store.apply(running(3))
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))).status == 200
    assert posts(sandbox) == 1


async def test_stopped_meanwhile(on: Road, sandbox: StripeSandbox) -> None:
    """The repeat of a write that was made is answered from it while writes are stopped; a new write is not made."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    await on.rooms.store.apply(halted(2))
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
    assert (await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("other"))).reason == "killed"
    assert posts(sandbox) == 1


async def test_after_a_restart(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Another process on the same record gives the same answers, whatever its cards say by then."""
    refund = {"charge": charged(sandbox), "amount": 700}
    async with road(tmp_path, sandbox.url) as on:
        first = await on.ask("POST", "/v1/refunds", form=refund, headers=key("refund"))
        no = await on.ask("POST", "/v1/payment_intents", form=REFUSED_CARD, headers=key("declined"))
        await ended(on)
    sandbox.wiretap.clear()
    async with road(tmp_path, sandbox.url, agents={"support": agent({"stripe": {"charges.retrieve": {}}})}) as on:
        is_replay(await on.ask("POST", "/v1/refunds", form=refund, headers=key("refund")), first)
        is_replay(await on.ask("POST", "/v1/payment_intents", form=REFUSED_CARD, headers=key("declined")), no)
        assert (await on.ask("POST", "/v1/refunds", form=refund, headers=key("new"))).reason == "not-allowed"
    assert (first.status, no.status) == (200, 402)
    assert sandbox.wiretap.requests == []


async def test_doubt_after_a_restart(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A write of which an earlier process did not hear the end is in doubt for its repeats, too."""
    sandbox.faults.add(Fault(HangUp(), applied=True, times=SENDS))
    async with road(tmp_path, sandbox.url) as on:
        first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
        assert first.status == 424
    async with road(tmp_path, sandbox.url) as on:
        for headers in (key("k"), key("another"), ()):
            again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=headers)
            assert marks(again) == (424, "unknown", "unknown", "repeats:outcome-unknown")
            said = again.json["error"]["breakwater"]
            assert (said["intent"], said["state"]) == (call_of(first), "unknown")
            assert "do not re-issue it in any other form" in again.json["error"]["message"]
            assert "Repeating exactly this request" in again.json["error"]["message"]
    assert sandbox.account.effects == {"customer.created": 1}


async def test_whole_answers_only(tmp_path: Path) -> None:
    """An answer that is wider than is kept is passed on; its repeat is told that there was one, and no part of it."""
    async with scripted() as upstream:
        upstream.then(answer(200, b'"' + b"a" * 70_000 + b'"'))
        async with road(tmp_path, upstream.url, limits={"answer_bytes_max": "64KiB"}) as on:
            first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
            assert first.status == 200
            is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
        async with road(tmp_path, upstream.url) as on:
            again = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
            assert marks(again) == (424, "executed", "yes", "repeats:answer-not-kept")
        assert len(upstream.asked) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_multipart(restarted: bool, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A file that is sent again under another boundary is the same file; another file is another request."""
    async with road(tmp_path, sandbox.url) as on:
        first = await upload(on, "one", b"content")
        if not restarted:
            is_replay(await upload(on, "two", b"content"), first)
    async with road(tmp_path, sandbox.url) as on:
        is_replay(await upload(on, "three", b"content"), first)
        assert (await upload(on, "one", b"contents")).reason == "idempotency-key-reused"
    assert posts(sandbox) == 1


async def upload(on: Road, boundary: str, content: bytes) -> Answer:
    """
    Send a file to Stripe under one key, with a boundary of the client's.
    """
    part = b'Content-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    fields = [(b"purpose", b"", b"dispute_evidence"), (b"file", b'; filename="a.txt"', content)]
    line = b"--%b\r\n" % boundary.encode()
    body = b"".join(line + part % field for field in fields) + b"--%b--\r\n" % boundary.encode()
    media = f"multipart/form-data; boundary={boundary}"
    return await on.ask("POST", "/v1/files", door="stripe.files", body=body, media=media, headers=key("file"))


async def test_no_content(tmp_path: Path) -> None:
    """An answer without a body is given again without one, links in headers lead to the door, also after a restart."""
    async with GithubSandbox(secret=SECRET) as upstream:
        async with hub(tmp_path, upstream) as on:
            issue = (await opened(on, "It leaks", key("issue"))).json["number"]
            made = await comment(on, issue, "It does", key("comment"))
            target = f"{ISSUES}/comments/{made.json['id']}"
            first = await at_hub(on, "DELETE", target, headers=key("gone"))
            assert (first.status, first.body) == (204, b"")
            is_replay(await at_hub(on, "DELETE", target, headers=key("gone")), first)
            assert made.json["url"].startswith("http://breakwater.example/")
            is_replay(await comment(on, issue, "It does", key("comment")), made)
        sent = posts(upstream)
        async with hub(tmp_path, upstream) as on:
            is_replay(await at_hub(on, "DELETE", target, headers=key("gone")), first)
            again = await comment(on, issue, "It does", key("comment"))
            assert again.json["url"].startswith("http://breakwater.example/")
        assert posts(upstream) == sent == 3


async def test_stored_failure(on: Road, sandbox: StripeSandbox) -> None:
    """An upstream's 500 is no answer to keep: where a re-send succeeds the agent has the object, else it is doubt."""
    sandbox.faults.add(Fault(Status(500)))
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("a"))
    assert first.status == 200
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("a")), first)
    # Stripe keeps a 500 from execution under the key, and says it again.
    sandbox.faults.add(Fault(Status(500), applied=True))
    lost = await on.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("b"))
    assert marks(lost) == (424, "unknown", "unknown", "forward:outcome-unknown")
    assert lost.header("Breakwater-Intent") == call_of(lost)
    again = await on.ask("POST", CUSTOMERS, form={"name": "b"}, headers=key("b"))
    assert marks(again) == (424, "unknown", "unknown", "repeats:outcome-unknown")
    assert again.header("Breakwater-Intent") == call_of(lost)
    assert again.header("Stripe-Should-Retry") == "false"
    assert sandbox.account.effects == {"customer.created": 2}


async def test_given_again_to_us(on: Road, sandbox: StripeSandbox) -> None:
    """What an upstream says of a re-send of ours is not said to whoever asked once; a repeat is still marked."""
    sandbox.faults.add(Fault(HangUp(), applied=True))
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
    assert marks(first) == (200, "executed", "yes", "forward:allowed")
    assert (posts(sandbox), first.header("Idempotent-Replayed")) == (2, None)
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)


async def test_said_of_nothing(on: Road) -> None:
    """What a refusal says of an earlier call is not said of one that came from nowhere."""
    no = await on.ask("POST", "/v1/payouts", form={"amount": 1})
    assert first_sentence(no.json["error"]["message"]) == NOTHING
    assert no.header("Breakwater-Intent") is None
    assert no.header("Idempotent-Replayed") is None
