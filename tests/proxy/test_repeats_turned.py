"""Repeats after something was turned in between, the credential or the key ring; and for how long they wait."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from breakers.known import Earlier
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.wiretap import Seen
from proxy.ledger.layout import KEY_RING
from tests.canary.forms import secret
from tests.doubt.world import Wall
from tests.proxy.again import IN_DOUBT, begun, is_replay, key, stripe
from tests.proxy.road import Headers, Road, call_of, charged, marks, road
from tests.proxy.rows import CREATE, SENDS
from tests.proxy.sealed import put_here

CUSTOMERS = "/v1/customers"
FORMER, TURNED = secret("repeats-former"), secret("repeats-turned")


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give the upstream.
    """
    async with stripe() as upstream:
        yield upstream
        upstream.faults.clear()


class OneAccount(StripeSandbox):
    """An account to which two credentials lead, as while a vendor's old one has not expired."""

    def authenticate(self, seen: Seen) -> None:
        """
        Take either.
        """
        self.secret = (seen.header("Authorization") or "").removeprefix("Bearer ")
        assert self.secret in {FORMER, TURNED}


async def test_credential_turned(tmp_path: Path) -> None:
    """A retry after the credential was rotated is the same intent; it is looked for under the new one, not re-sent."""
    wall = Wall()
    async with OneAccount(clock=wall) as sandbox:
        await put_here(tmp_path, "stripe", FORMER)
        api = {"catalog": "stripe", "upstream": sandbox.url, "credential": {"vault": "stripe"}}
        async with road(tmp_path, sandbox.url, apis={"stripe": api}, secret=FORMER) as on:
            wall.on = on
            kept = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("kept"))
            sandbox.faults.add(Fault(HangUp(), applied=True, method="POST", times=SENDS))
            lost = await on.ask("POST", CUSTOMERS, form={"name": "lost"}, headers=key("lost"))
            assert lost.status == 424
            said = await on.admin("POST", "/v1/vault/stripe/versions", {"secret": TURNED})
            assert said.json == {"name": "stripe", "version": 2}
            is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("kept")), kept)
            for headers in (key("lost"), key("another"), ()):
                again = await on.ask("POST", CUSTOMERS, form={"name": "lost"}, headers=headers)
                assert marks(again) == IN_DOUBT
                assert again.header("Breakwater-Intent") == call_of(lost)
            assert await on.program.doubts.round() == 0
            on.clock.move(2)
            assert await on.program.doubts.round() == 1
            found = await on.ask("POST", CUSTOMERS, form={"name": "lost"}, headers=key("lost"))
            assert marks(found) == (201, "replayed", "yes", "repeats:replayed")
            assert (found.json["name"], found.header("Breakwater-Intent")) == ("lost", call_of(lost))
    assert sandbox.account.effects == {"customer.created": 2}
    shown = [(seen.method, seen.header("Authorization")) for seen in sandbox.wiretap.requests]
    writes = [("POST", f"Bearer {FORMER}")] * (1 + SENDS)
    assert shown[: len(writes)] == writes
    assert set(shown[len(writes) :]) == {("GET", f"Bearer {TURNED}")}


async def test_ring_turned(sandbox: StripeSandbox, tmp_path: Path) -> None:
    """After the key ring was given a newer secret nothing that came before is taken for new, by key or by effect."""
    form = {"charge": charged(sandbox), "amount": 500}
    async with road(tmp_path, sandbox.url) as on:
        first = await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k"))
        refund = await on.ask("POST", "/v1/refunds", form=form)
    ring = on.state / KEY_RING
    document = json.loads(ring.read_bytes())
    document["secrets"]["2"], document["current"] = base64.b64encode(b"t" * 32).decode(), 2
    ring.unlink()
    ring.write_text(json.dumps(document))
    ring.chmod(0o400)
    async with road(tmp_path, sandbox.url) as on:
        is_replay(await on.ask("POST", CUSTOMERS, form=CREATE, headers=key("k")), first)
        no = await on.ask("POST", "/v1/refunds", form=form, headers=key("fresh"))
        assert (no.reason, no.header("Breakwater-Intent")) == ("duplicate-suspected", call_of(refund))
    assert sandbox.account.effects["customer.created"] == 1
    assert sandbox.account.effects["refund.created"] == 1


@pytest.mark.parametrize(
    ("headers", "at_most"),
    [((), 10.0), ((("Breakwater-Deadline-Ms", "60000"),), 10.0), ((("Breakwater-Deadline-Ms", "500"),), 0.5)],
)
async def test_patience(
    headers: Headers, at_most: float, sandbox: StripeSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever joins waits ten seconds, however long it would, and no longer than it would."""
    async with road(tmp_path, sandbox.url) as on:
        first = await begun(on, sandbox, CREATE, key("k"))
        asked = await waits_of(on, monkeypatch)
        late = await on.ask("POST", CUSTOMERS, form=CREATE, headers=(*key("k"), *headers))
        assert late.reason == "idempotency-in-flight"
        (within_s,) = asked
        assert at_most / 2 < within_s <= at_most
        sandbox.faults.release()
        assert await first.answer() is not None
        await first.end()


async def waits_of(on: Road, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """
    Let nobody wait from here on, and return the list in which stands for how long each would have.
    """
    asked: list[float] = []

    async def wait(intent: str, within_s: float) -> Earlier | None:
        asked.append(within_s)
        return await on.rooms.store.earlier(intent)

    monkeypatch.setattr(on.rooms.store, "wait", wait)
    return asked
