"""A changed configuration on the road: taken whole or not at all, on record first, and each call keeps its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from breakers.task import Closed
from loadtest.installation import agent, stripe_api
from proxy.errors import LedgerUnavailable
from proxy.orders import TaskOrder
from proxy.reloading import Reloading
from tests.proxy.road import Road, call_of, configured, marks, road, soon
from tests.proxy.scripted import OK, Scripted, scripted
from tests.wire.client import Answer

READS: Mapping[str, object] = {"stripe": {"charges.retrieve": {}}}
BOTH: Mapping[str, object] = {"stripe": {"charges.retrieve": {}, "customers.create": {}}}
CUSTOMERS, CHARGE = "/v1/customers", "/v1/charges/ch_1"


@dataclass
class Stand:
    """A road, its upstream, and the file that its configuration is read from."""

    on: Road
    upstream: Scripted
    file: Path

    @property
    def reloading(self) -> Reloading:
        assert self.on.program.reloading is not None
        return self.on.program.reloading

    def write(self, agents: Mapping[str, object], **more: object) -> str:
        """
        Change the file, and return the version of what it says.
        """
        apis = {"stripe": stripe_api(self.upstream.url)}
        return configured(self.file.parent, {"apis": apis, "agents": agents, "store": "memory", **more}).version

    async def ask(self, method: str, target: str, **more: Any) -> Answer:
        return await self.on.ask(method, target, **more)

    async def reload(self) -> Answer:
        return await self.on.admin("POST", "/v1/reload")


@pytest_asyncio.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """
    Give a road whose agents may read and write.
    """
    cards = {"support": agent(BOTH, loops=False), "second": agent(BOTH, loops=False)}
    async with scripted() as upstream, road(tmp_path, upstream.url, agents=cards) as running:
        yield Stand(running, upstream, tmp_path / "breakwater.yaml")


CARDS = {"support": agent(READS, loops=False), "second": agent(BOTH, loops=False)}


async def test_applied(stand: Stand) -> None:
    """What the file says holds from the next call on, and it is on record which version came after which."""
    was = stand.on.rooms.policy.version
    assert (await stand.ask("POST", CUSTOMERS, form={"email": "a@example.com"})).status == 200
    version = stand.write(CARDS)
    done = await stand.reload()
    assert (done.status, done.json) == (200, {"version": version, "was": was, "changed": ["agents.support"]})
    assert marks(await stand.ask("POST", CUSTOMERS, form={"email": "b@example.com"}))[3] == "allowlist:not-allowed"
    assert (await stand.ask("GET", CHARGE)).status == 200
    assert stand.on.rooms.policy.version == version
    applied = [record.entry for record in await stand.on.newest(50) if record.kind == "config.applied"]
    assert (applied[-1]["hash"], applied[-1]["was"]) == (version, was)
    sample = stand.on.rooms.metrics.registry.get_sample_value
    assert sample("breakwater_config_info", {"version": version[:12]}) == 1
    assert sample("breakwater_config_info", {"version": was[:12]}) is None
    assert sample("breakwater_reloads_total", {"result": "applied"}) == 1
    assert stand.on.log.of("config-applied") == [
        {"event": "config-applied", "version": version, "was": was, "changed": ["agents.support"]}
    ]


async def test_unchanged(stand: Stand) -> None:
    """A file that says the same changes nothing and leaves no record."""
    before = stand.on.rooms.policy
    done = await stand.reload()
    assert (done.status, done.json["changed"]) == (200, [])
    assert stand.on.rooms.policy is before
    kinds = [record.kind for record in await stand.on.newest(50)]
    assert kinds.count("config.applied") == 0


# what is written into the file, what is said of it, and at how many places
@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("agents: [", 1),
        ("staet: x\napis: {stripe: {catalog: strip, credential: {env: A}}}\nagents: {a: {}}\n", 4),
        ("", 1),
    ],
)
async def test_bad_file(stand: Stand, text: str, faults: int) -> None:
    """A file with faults changes nothing, and every fault of it is said."""
    before = stand.on.rooms.policy
    stand.file.write_text(text)
    no = await stand.reload()
    assert no.status == 409
    assert len(no.json["faults"]) == faults
    assert all(fault["message"] for fault in no.json["faults"])
    assert "nothing was changed" in no.json["hint"]
    assert stand.on.rooms.policy is before
    assert (await stand.ask("GET", CHARGE)).status == 200
    assert [record.kind for record in await stand.on.newest(50)].count("config.applied") == 0


async def test_gone_file(stand: Stand) -> None:
    """A file that is not there changes nothing."""
    stand.file.unlink()
    no = await stand.reload()
    assert no.status == 409
    assert "cannot be read" in no.json["faults"][0]["message"]


async def test_needs_a_start(stand: Stand) -> None:
    """Where only a start can take a part of what changed, that is named, and the rest is not taken either."""
    before = stand.on.rooms.policy
    stand.write(CARDS, timeouts={"look": "3s"}, shared="127.0.0.1:0")
    no = await stand.reload()
    assert no.status == 409
    assert no.json["error"] == "only a start can take what changed: `shared`, `timeouts.look`"
    assert stand.on.rooms.policy is before
    assert stand.on.rooms.settings.timeouts.look_s == 2.0
    sample = stand.on.rooms.metrics.registry.get_sample_value
    assert sample("breakwater_reloads_total", {"result": "refused"}) == 1


async def test_settings_of_judgement(stand: Stand) -> None:
    """Settings that judgement reads are taken with the cards."""
    stand.write(CARDS, idempotency={"duplicates": "2m"}, tasks={"ttl": "2h"})
    assert (await stand.reload()).json["changed"] == ["agents.support", "idempotency.duplicates", "tasks.ttl"]
    assert stand.on.rooms.policy.duplicates_s == 120
    opened = await stand.on.rooms.tasks.open(TaskOrder(agent="second"))
    assert (opened.task.expires_at - opened.task.opened_at).total_seconds() == 7200


async def test_held_open(stand: Stand) -> None:
    """A write and a read that began under one version end under it, and are on record with it."""
    release = asyncio.Event()
    was = stand.on.rooms.policy.version
    for _ in range(2):
        stand.upstream.then(release, OK)
    write = asyncio.create_task(stand.ask("POST", CUSTOMERS, form={"email": "a@example.com"}))
    read = asyncio.create_task(stand.ask("GET", CHARGE))
    await soon(lambda: len(stand.upstream.asked) == 2)
    version = stand.write({"support": agent({"stripe": {}})})
    assert (await stand.reload()).json["version"] == version
    assert marks(await stand.ask("GET", CHARGE))[3] == "allowlist:not-allowed"
    release.set()
    for one in (await write, await read):
        assert one.status == 200
        records = [record.entry for record in await stand.on.on_record(call_of(one))]
        assert {record["pol"]["ver"] for record in records if "pol" in record} == {was}


async def test_judged_across(stand: Stand) -> None:
    """A call that waits for a look while another version comes into force is judged by its own to the end."""
    limited = {"stripe": {"refunds.create": {"limit": {"amount": "0.50..100 USD"}}}}
    stand.write({"support": agent(limited)})
    await stand.reload()
    was, release = stand.on.rooms.policy.version, asyncio.Event()
    stand.upstream.then(release, _json(b'{"id":"ch_1","currency":"usd","amount":5000,"amount_refunded":0}'))
    waits = asyncio.create_task(stand.ask("POST", "/v1/refunds", form={"charge": "ch_1", "amount": "100"}))
    await soon(lambda: len(stand.upstream.asked) == 1)
    stand.write({"support": agent({"stripe": {}})})
    await stand.reload()
    release.set()
    done = await waits
    assert done.status == 200
    records = [record.entry for record in await stand.on.on_record(call_of(done))]
    assert {record["pol"]["ver"] for record in records if record["k"] == "call.intent"} == {was}


def _json(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_not_on_record(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that could not be put on record is not taken."""

    async def unavailable(*_: object) -> None:
        raise LedgerUnavailable("the disk is full")

    before = stand.on.rooms.policy
    monkeypatch.setattr(stand.on.rooms.ledger.configured, "applied", unavailable)
    stand.write(CARDS)
    assert (await stand.reload()).status == 503
    assert stand.on.rooms.policy is before


async def test_lost_card(stand: Stand) -> None:
    """An agent that lost its card is let in by no key and no token, and its tasks are closed; with one, it is again."""
    opened = await stand.on.rooms.tasks.open(TaskOrder(agent="second"))
    token = (("Authorization", f"Bearer {opened.token.spelled()}"),)
    assert (await stand.ask("GET", CHARGE, key="", headers=token)).status == 200
    stand.write({"support": CARDS["support"]})
    assert (await stand.reload()).json["changed"] == ["agents.second", "agents.support"]
    assert marks(await stand.ask("GET", CHARGE, agent="second"))[3] == "identify:key-unknown"
    assert marks(await stand.ask("GET", CHARGE, key="", headers=token))[3] == "identify:key-unknown"
    task = (await stand.on.rooms.store.envelope(opened.task.id, ())).task
    assert task is not None
    assert task.closed is Closed.ORPHANED
    assert "task.closed" in [record.kind for record in await stand.on.newest(5)]
    assert (await stand.on.admin("POST", "/v1/keys", {"agent": "second"})).status == 400
    stand.write(CARDS)
    await stand.reload()
    assert (await stand.ask("GET", CHARGE, agent="second")).status == 200


async def test_signal(stand: Stand) -> None:
    """SIGHUP does the same, and says what came of it in the log."""
    version = stand.write(CARDS)
    os.kill(os.getpid(), signal.SIGHUP)
    await soon(lambda: stand.on.rooms.policy.version == version)
    os.kill(os.getpid(), signal.SIGHUP)
    await soon(lambda: stand.on.log.of("config-unchanged"))
    stand.file.write_text("staet: x")
    os.kill(os.getpid(), signal.SIGHUP)
    await soon(lambda: stand.on.log.of("config-refused"))
    (refused,) = stand.on.log.of("config-refused")
    assert "`staet` is unknown here" in str(refused["why"])
    stand.write(CARDS, shared="127.0.0.1:0")
    stand.reloading.ask()
    await soon(lambda: len(stand.on.log.of("config-refused")) == 2)
    assert "`shared`" in str(stand.on.log.of("config-refused")[1]["why"])


async def test_storm(stand: Stand) -> None:
    """Under a storm of signals each call is judged by one version, the one that is on record with it."""
    wide = {**CARDS, "support": agent(BOTH, loops=False)}
    other = {"ttl": "2h"}
    allows = {stand.on.rooms.policy.version: True, stand.write(CARDS): False, stand.write(wide, tasks=other): True}
    answers: list[Answer] = []
    for number in range(12):
        stand.write(wide, tasks=other) if number % 2 else stand.write(CARDS)
        for _ in range(5):
            stand.reloading.ask()
        forms = [{"email": f"{number}.{one}@example.com"} for one in range(3)]
        answers += [await stand.ask("POST", CUSTOMERS, form=form) for form in forms]
    await soon(lambda: stand.reloading._behind is None or stand.reloading._behind.done())
    for made in answers:
        record = (await stand.on.on_record(call_of(made)))[0].entry
        assert allows[record["pol"]["ver"]] is (made.status == 200)
    assert {made.status for made in answers} == {200, 403}
    taken = [record for record in await stand.on.newest(200) if record.kind == "config.applied"]
    assert len(taken) <= 12
