"""Conditions on the road: what is looked up for them, how often, what is on record, and that every fault refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from loadtest.upstreams.faults import Fault, HangUp, Malformed, Status
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Dispute
from proxy.fetching import PAGES_MAX
from proxy.recent import KEPT_BYTES_MAX
from tests.proxy.conditioned import CARDS, PASSED, REFUSED, Site
from tests.proxy.road import SECRET, THROTTLED_S, call_of, charged, marks, road, soon
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """
    Give a road in front of a Stripe and a GitHub.
    """
    folder = tmp_path_factory.mktemp("conditions")
    async with StripeSandbox(secret=SECRET) as stripe, GithubSandbox(secret=SECRET) as github:
        hub = {"catalog": "github", "upstream": github.url, "credential": {"env": "STRIPE_SECRET"}}
        async with road(folder, stripe.url, apis={"github": hub}, agents=CARDS) as running:
            yield Site(running, stripe, github)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def fresh(site: Site) -> AsyncIterator[None]:
    """
    Begin each test with nothing kept, nothing under way and nothing seen.
    """
    site.on.clock.move(3600)
    await soon(lambda: len(site.on.rooms.pending) == 0)
    site.stripe.wiretap.clear()
    site.stripe.account.effects.clear()
    yield
    site.stripe.faults.clear()


# ------------------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize(("days", "wanted"), [(None, PASSED), (181, PASSED), (179, REFUSED), (0, REFUSED)])
async def test_no_chargeback(days: float | None, wanted: tuple[object, ...], site: Site) -> None:
    """A refund of a charge that was contested within 180 days is refused, and no other."""
    charge = charged(site.stripe)
    if days is not None:
        site.dispute(charge, days)
    site.dispute(charged(site.stripe), 1)
    got = await site.refund(charge)
    assert marks(got) == wanted
    assert site.looks() == [f"/v1/disputes?charge={charge}"]
    assert site.stripe.account.effects["refund.created"] == (wanted == PASSED)
    if wanted == REFUSED:
        said = got.json["error"]["message"]
        assert "The condition `chargeback` on this agent's card refuses this." in said
        assert "dp_" not in got.raw.decode()
        assert got.json["error"]["breakwater"]["condition"] == "chargeback"


async def test_invoice_is_open(site: Site) -> None:
    """An invoice is paid while it is open, and not once more: the payment itself ends what was seen before it."""
    invoice = site.invoice("open")
    headers = (("Breakwater-Duplicate", "allow"),)
    first = await site.on.ask("POST", f"/v1/invoices/{invoice}/pay", form={}, headers=headers)
    assert marks(first) == PASSED
    again = await site.on.ask("POST", f"/v1/invoices/{invoice}/pay", form={"paid_out_of_band": "true"}, headers=headers)
    assert marks(again) == REFUSED
    assert site.stripe.account.effects["invoice.paid"] == 1


async def test_assignee_is_in_team(site: Site) -> None:
    """An issue is given only to members of a team that is longer than a page."""
    world = site.github.world
    names = ["ada", "bob", "cleo", "dan"]
    people = {name: world.person(name) for name in [*names, "eve"]}
    world.repo("acme/shop")
    world.teams["acme", "support"] = [people[name] for name in names]

    async def ask(target: str, body: object) -> Answer:
        data = json.dumps(body).encode()
        where = f"/repos/acme/shop/issues{target}"
        sent: dict[str, Any] = {"body": data, "media": "application/json"}
        return await site.on.ask("POST", where, door="github", agent="triage", headers=[("User-Agent", "x")], **sent)

    for login, status in (("ada", 201), ("dan", 201), ("eve", 403)):
        issue = (await ask("", {"title": f"A leak for {login}"})).json["number"]
        assert (await ask(f"/{issue}/assignees", {"assignees": [login]})).status == status
    pages = [one.target for one in site.github.wiretap.requests if "/teams/" in one.target]
    assert pages[:2] == [
        "/orgs/acme/teams/support/members?per_page=2",
        "/orgs/acme/teams/support/members?per_page=2&page=2",
    ]


async def test_reads_too(site: Site) -> None:
    """A read is held against its conditions, and what is looked up for it is on record under it."""
    charge = charged(site.stripe)
    passed = await site.on.ask("GET", f"/v1/refunds?limit=10&charge={charge}")
    assert passed.status == 200
    assert marks(await site.on.ask("GET", f"/v1/refunds?limit=11&charge={charge}")) == REFUSED
    assert marks(await site.on.ask("GET", "/v1/refunds?limit=10")) == REFUSED
    records = await site.on.on_record(call_of(passed))
    assert [record.kind for record in records] == ["call.look", "call.outcome"]
    assert records[1].entry["conds"] == [["small", True]]


# ------------------------------------------------------------------------------------------------------------ record


async def test_on_record(site: Site) -> None:
    """What was asked and what it showed stands under the call, before what follows from it; the credential nowhere."""
    charge = charged(site.stripe)
    site.dispute(charge, 300)
    got = await site.refund(charge, headers=(("Stripe-Account", "acct_1"),))
    records = await site.on.opened(call_of(got))
    look = next(one for one in records if "look" in one["entry"])
    assert (look["entry"]["k"], look["entry"]["op"], look["entry"]["look"]) == (
        "call.look",
        "disputes.list",
        "disputes",
    )
    assert json.loads(look["payloads"]["req"]["text"])["target"] == f"/v1/disputes?charge={charge}"
    assert '"id": "dp_' in look["payloads"]["resp"]["text"]
    intent = next(one for one in records if one["entry"]["k"] == "call.intent")
    assert intent["entry"]["conds"] == [["chargeback", False]]
    assert records.index(look) < records.index(intent)
    assert SECRET not in json.dumps(records)
    asked = next(one for one in site.stripe.wiretap.requests if one.path == "/v1/disputes")
    assert asked.header("Authorization") == f"Bearer {SECRET}"
    assert asked.header("Stripe-Account") == "acct_1"


async def test_no_manners(site: Site) -> None:
    """No header by which an agent could choose another form of the answer goes along."""
    await site.refund(charged(site.stripe), headers=(("Stripe-Version", "2019-01-01"),))
    asked = next(one for one in site.stripe.wiretap.requests if one.path == "/v1/disputes")
    assert asked.header("Stripe-Version") is None


async def test_refusal_on_record(site: Site) -> None:
    """A refusal has the look-up that it follows from on record, and names its condition."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    refused = await site.refund(charge)
    *looks, decision = await site.on.opened(call_of(refused))
    assert {one["entry"]["k"] for one in looks} == {"call.look"}
    assert "disputes" in [one["entry"].get("look") for one in looks]
    assert decision["entry"]["pol"]["gate"] == "conditions"
    assert '"condition","chargeback"' in decision["payloads"]["req"]["text"].replace(" ", "")


# ------------------------------------------------------------------------------------------------------------- cache


async def test_kept_for_a_moment(site: Site) -> None:
    """The same look-up within seconds is made once, and the second call says under which call it is on record."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    first, second = await site.refund(charge), await site.refund(charge, metadata="")
    assert marks(first) == marks(second) == REFUSED
    assert len(site.looks()) == 1
    look = next(one for one in await site.on.on_record(call_of(second)) if "of" in one.entry)
    assert (look.entry["k"], look.entry["of"], look.entry["look"]) == ("call.look", call_of(first), "disputes")
    site.on.clock.move(4.9)
    await site.refund(charge)
    assert len(site.looks()) == 1
    site.on.clock.move(0.2)
    await site.refund(charge)
    assert len(site.looks()) == 2


async def test_a_write_ends_it(site: Site) -> None:
    """What was seen before a write to the same account is not used after it."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    await site.refund(charge)
    assert (await site.on.ask("POST", "/v1/customers", form={"name": "Ada"})).status == 200
    await site.refund(charge)
    assert len(site.looks()) == 2


async def test_never_across_accounts(site: Site) -> None:
    """The same look-up for another account, or under another credential, is another."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    for named in ("acct_1", "acct_2", "acct_1"):
        await site.refund(charge, headers=(("Stripe-Account", named),))
    assert len(site.looks()) == 2
    account = site.on.rooms.accounts["stripe"]
    held = account.credential.current()
    account.credential.turn([("another", held.secret)])
    await site.refund(charge, headers=(("Stripe-Account", "acct_1"),))
    account.credential.turn([(held.ref, held.secret)])
    assert len(site.looks()) == 3


async def test_at_once_made_once(site: Site) -> None:
    """Two equal look-ups at the same time are one, and one who gives up does not take it from the other."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    site.stripe.faults.add(Fault(method="GET", path="/v1/disputes", held=True))
    asked = [asyncio.create_task(site.refund(charge, metadata=f"{n}" if n else "")) for n in range(3)]
    await soon(site.stripe.faults.holding.is_set)
    asked[0].cancel()
    await asyncio.sleep(0.02)
    site.stripe.faults.release()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [marks(one) for one in answers[1:] if not isinstance(one, BaseException)] == [REFUSED, REFUSED]
    assert len(site.looks()) == 1


async def test_large_is_not_kept(site: Site) -> None:
    """An answer that is large is asked for anew each time."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    for dispute in site.stripe.account.all(Dispute)[:1]:
        dispute.reason = "x" * KEPT_BYTES_MAX
    await site.refund(charge)
    await site.refund(charge)
    assert len(site.looks()) == 2


# ------------------------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Fault(Status(404)), 1),
        (Fault(Status(401)), 1),
        (Fault(Status(403)), 1),
        (Fault(Status(429, retry_after_s=9)), 1),
        (Fault(Status(500)), 2),
        (Fault(Status(302)), 1),
        (Fault(HangUp()), 2),
        (Fault(Malformed("truncated-body")), 1),
        (Fault(Malformed("not-json")), 1),
        (Fault(Malformed("gzip")), 1),
    ],
    ids=["404", "401", "403", "429", "500", "302", "hang-up", "truncated", "not-json", "gzip"],
)
async def test_fails_closed(fault: Fault, asked: int, site: Site) -> None:
    """A look-up that shows nothing whole refuses the call, nothing is sent, and it is asked for anew the next time."""
    charge = charged(site.stripe)
    site.stripe.faults.add(replace(fault, method="GET", path="/v1/disputes", times=asked))
    refused = await site.refund(charge)
    site.stripe.faults.clear()
    assert marks(refused) == REFUSED
    assert (
        "`chargeback` on this agent's card could not be checked: of `disputes`, Stripe did not show"
        in (refused.json["error"]["message"])
    )
    assert site.stripe.account.effects["refund.created"] == 0
    # Who asked for fewer calls is left alone meanwhile.
    site.on.clock.move(THROTTLED_S)
    assert marks(await site.refund(charge)) == PASSED
    assert len(site.looks()) == asked + 1


async def test_late(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that does not end in time refuses the call."""
    rooms = site.on.rooms
    timeouts = rooms.settings.timeouts.model_copy(update={"look_s": 0.05})
    monkeypatch.setattr(rooms, "settings", rooms.settings.model_copy(update={"timeouts": timeouts}))
    site.stripe.faults.add(Fault(method="GET", path="/v1/disputes", times=3, held=True))
    assert marks(await site.refund(charged(site.stripe))) == REFUSED


@pytest.mark.parametrize(("count", "pages", "wanted"), [(10, 1, PASSED), (30, 3, PASSED), (31, 3, REFUSED)])
async def test_pages(count: int, pages: int, wanted: tuple[object, ...], site: Site) -> None:
    """A list is read to its end within three pages; one that goes on beyond them proves nothing."""
    charge = charged(site.stripe)
    site.dispute(charge, 300, count)
    got = await site.refund(charge)
    assert len(site.looks()) == pages <= PAGES_MAX
    assert marks(got) == wanted
    if wanted == REFUSED:
        assert "`disputes.list` goes on beyond what is read of it" in got.json["error"]["message"]


async def test_on_the_last_page(site: Site) -> None:
    """What stands on the last page counts."""
    charge = charged(site.stripe)
    site.dispute(charge, 1)
    site.dispute(charge, 300, 25)
    assert marks(await site.refund(charge)) == REFUSED


@pytest.mark.parametrize("charge", ["", "..", "ch_1/refunds", "ch_1?expand[]=x", "ch 1", "ch_1#", "é", "ch_1,ch_2"])
async def test_steered(charge: str, site: Site) -> None:
    """What could lead a look-up elsewhere is no id, so nothing is asked and nothing sent."""
    assert marks(await site.refund(charge)) == REFUSED
    assert site.stripe.wiretap.requests == []


async def test_two_subjects(site: Site) -> None:
    """Two values for one argument never reach a look-up."""
    both = b"charge=ch_1&charge=ch_2&amount=1"
    got = await site.on.ask("POST", "/v1/refunds", body=both, media="application/x-www-form-urlencoded")
    assert (got.status, site.looks()) == (400, [])
    got = await site.refund("ch_1", **{"charge[0]": "ch_2"})
    assert (got.status, site.looks()) == (400, [])
