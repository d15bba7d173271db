"""Agents without keys: re-sends are recognised, duplicates suspected, and what is meant twice is done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from loadtest.installation import agent
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.proxy.again import IN_DOUBT, comment, hub, is_replay, key, opened, posts, stripe
from tests.proxy.road import SECRET, Headers, Road, call_of, charged, marks, road
from tests.proxy.rows import CREATE

CUSTOMERS = "/v1/customers"
AGAIN: Headers = (("X-Stainless-Retry-Count", "1"),)
FIRST: Headers = (("X-Stainless-Retry-Count", "0"),)
MEANT: Headers = (("Breakwater-Duplicate", "allow"),)
SUSPECTED = (403, "denied", "no", "duplicates:duplicate-suspected")
PASSED = (200, "executed", "yes", "forward:allowed")
MINUTE_S = 60


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
    cards = {"support": agent({"stripe": {"customers.*": {}, "refunds.create": {}}})}
    async with road(tmp_path, sandbox.url, agents=cards) as running:
        yield running


@pytest_asyncio.fixture
async def github() -> AsyncIterator[GithubSandbox]:
    """
    Give an upstream that knows no keys.
    """
    async with GithubSandbox(secret=SECRET) as upstream:
        yield upstream


async def test_retries_of_a_lost_answer(github: GithubSandbox, tmp_path: Path) -> None:
    """A client's re-sends of a write whose answer was lost are told that nobody knows, at once and much later."""
    async with hub(tmp_path, github) as on:
        github.faults.add(Fault(HangUp(reset=True), applied=True, method="POST"))
        first = await opened(on, "It leaks")
        assert (first.status, first.header("Breakwater-Intent")) == (424, call_of(first))
        for after_s in (0, 1, 2, 16 * MINUTE_S, 24 * 60 * MINUTE_S):
            on.clock.move(after_s)
            again = await opened(on, "It leaks", AGAIN)
            assert marks(again) == IN_DOUBT
            assert again.header("Breakwater-Intent") == call_of(first)
            assert again.header("Retry-After") is None
        # Neither a key nor a header is a way round a doubt, and another title is another issue.
        assert marks(await opened(on, "It leaks", key("new"))) == IN_DOUBT
        assert marks(await opened(on, "It leaks", MEANT)) == IN_DOUBT
        assert (await opened(on, "It squeaks")).status == 201
    assert (posts(github), github.effects["issue.created"]) == (2, 2)


async def test_told_to_be_a_retry(on: Road, sandbox: StripeSandbox) -> None:
    """A client that says that it sends again has the answer, for a quarter of an hour; then it is judged anew."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=FIRST)
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=AGAIN), first)
    on.clock.move(15 * MINUTE_S)
    is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=AGAIN), first)
    on.clock.move(1)
    assert marks(await on.ask("POST", CUSTOMERS, form=CREATE, headers=AGAIN)) == PASSED
    assert sandbox.account.effects == {"customer.created": 2}


async def test_suspected(on: Road, sandbox: StripeSandbox) -> None:
    """An equal write a moment later is refused with the first and both ways out; both lead out, and time does."""
    first = await on.ask("POST", CUSTOMERS, form=CREATE)
    on.clock.move(5)
    no = await on.ask("POST", CUSTOMERS, form=CREATE)
    assert marks(no) == SUSPECTED
    said = no.json["error"]["breakwater"]
    assert (said["intent"], said["state"], said["status"]) == (call_of(first), "completed", "200")
    assert no.header("Breakwater-Intent") == call_of(first)
    assert (no.header("Retry-After"), no.header("Stripe-Should-Retry")) == (None, "false")
    assert "Breakwater-Duplicate: allow" in no.json["error"]["message"]
    counted = on.rooms.metrics.registry.get_sample_value
    assert counted("breakwater_duplicates_refused_total", {"api": "stripe"}) == 1
    assert marks(await on.ask("POST", CUSTOMERS, form=CREATE, headers=MEANT)) == PASSED
    on.clock.move(MINUTE_S + 1)
    assert marks(await on.ask("POST", CUSTOMERS, form=CREATE)) == PASSED
    assert sandbox.account.effects == {"customer.created": 3}


async def test_two_comments(github: GithubSandbox, tmp_path: Path) -> None:
    """Two equal comments ten minutes apart are both posted."""
    async with hub(tmp_path, github) as on:
        issue = (await opened(on, "It leaks")).json["number"]
        assert (await comment(on, issue, "Still does")).status == 201
        assert (await comment(on, issue, "Still does")).reason == "duplicate-suspected"
        on.clock.move(10 * MINUTE_S)
        assert (await comment(on, issue, "Still does")).status == 201
    assert github.effects["comment.created"] == 2


async def test_two_refunds(on: Road, sandbox: StripeSandbox) -> None:
    """The same refund again is refused for a day, under a fresh key and as meant, too; another amount is another."""
    form = {"charge": charged(sandbox), "amount": 1000}
    first = await on.ask("POST", "/v1/refunds", form=form)
    assert first.status == 200
    on.clock.move(5)
    for headers in ((), key("fresh"), MEANT, (*key("other"), *MEANT)):
        no = await on.ask("POST", "/v1/refunds", form=form, headers=headers)
        assert marks(no) == SUSPECTED
        assert no.json["error"]["breakwater"]["intent"] == call_of(first)
        assert "an approver must say so" in no.json["error"]["message"]
    assert marks(await on.ask("POST", "/v1/refunds", form={**form, "amount": 900})) == PASSED
    on.clock.move(24 * 60 * MINUTE_S)
    assert marks(await on.ask("POST", "/v1/refunds", form=form)) == PASSED
    assert sandbox.account.effects["refund.created"] == 3


async def test_key_required(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """Where a card wants a key, a write without one is refused before anything is asked of the upstream."""
    cards = {"support": agent({"stripe": {"refunds.create": {"require_key": True, "limit": {"amount": "1..100 USD"}}}})}
    async with road(tmp_path, sandbox.url, agents=cards) as on:
        form = {"charge": charged(sandbox), "amount": 1000}
        no = await on.ask("POST", "/v1/refunds", form=form)
        assert marks(no) == (400, "denied", "no", "duplicates:idempotency-key-missing")
        assert sandbox.wiretap.requests == []
        assert (await on.ask("POST", "/v1/refunds", form=form, headers=key("k"))).status == 200


@pytest.mark.parametrize("who", ["support", "other"])
async def test_key_after_none(who: str, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A key is a way to say that an equal write is meant; what another agent does is no repeat of it."""
    cards = {name: agent({"stripe": {"customers.*": {}}}) for name in ("support", "other")}
    async with road(tmp_path, sandbox.url, agents=cards) as on:
        target = f"{CUSTOMERS}/{(await on.ask('POST', CUSTOMERS, form=CREATE)).json['id']}"
        form = {"metadata[n]": "1"}
        assert marks(await on.ask("POST", target, form=form)) == PASSED
        assert marks(await on.ask("POST", target, form=form, headers=key("k"), agent=who)) == PASSED
        # An update makes nothing anew: done twice it is the same, and only noted.
        assert marks(await on.ask("POST", target, form=form)) == PASSED
        intent = (await on.newest(3))[0]
        assert "repeated" in intent.entry.get("pol", {}).get("flags", intent.entry.get("flags", []))
