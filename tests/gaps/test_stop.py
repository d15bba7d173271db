from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loadtest.upstreams.stripe import Fault, HangUp, StripeSandbox
from loadtest.upstreams.stripe.account import Charge
from tests.crash.forked import Forker
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.crash.waiting import still, until
from tests.gaps.client import Answer, write

pytestmark = pytest.mark.slow

HELD = Fault(held=True, applied=True)


def recorded(site: Site) -> list[Mapping[str, Any]]:
    """The records of calls, without the log's own."""
    return [entry for entry in read_log(site.state).entries if "call" in entry]


async def held_write(site: Site, sandbox: StripeSandbox, headers: Mapping[str, str] | None = None) -> asyncio.Task[Any]:
    """A write that the upstream has done and does not answer yet."""
    sandbox.faults.add(HELD)
    writing = asyncio.create_task(write(site, headers))
    await until(sandbox.faults.holding.is_set)
    return writing


async def ended(site: Site) -> bool:
    """Whether no write is under way."""
    return bool((await site.admin("GET", "/v1/status"))["in_flight"] == 0)


# ---------------------------------------------------------------------------------------------------------- SIGTERM


async def test_stop_waits(site: Site, sandbox: StripeSandbox) -> None:
    """A stop fails readiness first, lets the write finish, answers and records it, closes the log, and exits with 0."""
    child = await site.start()
    assert await site.ready()
    writing = await held_write(site, sandbox)
    child.send(signal.SIGTERM)
    await until(lambda: unready(site))
    assert not writing.done()
    assert await child.runs()
    sandbox.faults.release()
    answer = await writing
    assert isinstance(answer, Answer)
    assert (answer.status, answer.ours["outcome"]) == (200, "executed")
    assert await child.ended() == 0
    assert [(entry["k"], entry.get("eff")) for entry in recorded(site)] == [
        ("call.intent", None),
        ("call.outcome", "applied"),
        ("change.recorded", None),
    ]
    assert read_log(site.state).entries[-1]["k"] == "log.closed"
    assert not (site.state / "run.json").exists()
    assert sandbox.wiretap.count("POST", "/v1/customers") == 1


async def unready(site: Site) -> bool:
    """Whether readiness has failed, and says why."""
    async with aiohttp.ClientSession() as session, session.get(site.doors["admin"] + "/readyz") as answer:
        return answer.status == 503 and (await answer.json())["why"] == ["stopping"]


async def test_stop_takes_no_more(site: Site, sandbox: StripeSandbox) -> None:
    """While a stop waits, a new connection is refused and a kept one is told that nothing was sent."""
    child = await site.start()
    said = {"Authorization": f"Bearer {site.keys[0]}"}
    url = site.doors["stripe"] + "/v1/customers"
    async with aiohttp.ClientSession(headers=said) as session:
        async with session.post(url, data={"name": "first"}) as answer:
            assert answer.status == 200
            await answer.read()
        writing = await held_write(site, sandbox)
        child.send(signal.SIGTERM)
        await until(lambda: unready(site))
        async with session.post(url, data={"name": "late"}) as answer:
            assert answer.status == 503
            assert answer.headers["breakwater-decision"].endswith(":stopping")
            assert answer.headers["breakwater-dispatched"] == "no"
            await answer.read()
    assert await write(site) is None
    sandbox.faults.release()
    assert (await writing).status == 200
    assert await child.ended() == 0
    assert sandbox.wiretap.count("POST", "/v1/customers") == 2


async def test_stop_while_judged(site: Site, sandbox: StripeSandbox) -> None:
    """A write still being judged when the stop began is refused as stopping, on record, and not sent."""
    charge = charged(sandbox)
    child = await site.start()
    sandbox.faults.add(Fault(held=True, method="GET"))
    refund = {"charge": charge, "amount": "100"}
    writing = asyncio.create_task(write(site, path="/v1/refunds", form=refund))
    await until(sandbox.faults.holding.is_set)
    child.send(signal.SIGTERM)
    await until(lambda: bool(site.events("stopping")))
    sandbox.faults.release()
    answer = await writing
    assert isinstance(answer, Answer)
    assert (answer.status, answer.ours["dispatched"]) == (503, "no")
    assert answer.ours["decision"].endswith(":stopping")
    assert await child.ended() == 0
    assert [entry["k"] for entry in recorded(site)] == ["call.look", "call.decision"]
    assert sandbox.wiretap.count("POST", "/v1/refunds") == 0


async def test_stop_after_deadline(site: Site, sandbox: StripeSandbox) -> None:
    """A stop waits for a write that nobody waits for any more."""
    child = await site.start()
    writing = await held_write(site, sandbox, {"Breakwater-Deadline-Ms": "100"})
    assert (await writing).status == 424
    child.send(signal.SIGTERM)
    await until(lambda: bool(site.events("stopping")))
    await still(child.runs)
    sandbox.faults.release()
    assert await child.ended() == 0
    assert [entry["eff"] for entry in recorded(site) if entry["k"] == "call.outcome"] == ["applied"]


def charged(sandbox: StripeSandbox) -> str:
    """A charge of 50 USD that is there already."""
    account = sandbox.account
    charge = Charge(account.mint("ch_"), account.now(), amount=5000, amount_captured=5000, currency="usd")
    account.add(charge, "charge.seeded")
    return charge.id


async def test_drain_runs_out(forker: Forker, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A write that outlasts the drain is answered and recorded as unknown, and is in doubt after the next start."""
    site = Site(tmp_path / "site", forker, sandbox, hook={"drain_margin_s": -59.7})
    child = await site.start()
    writing = await held_write(site, sandbox)
    child.send(signal.SIGTERM)
    answer = await writing
    assert isinstance(answer, Answer)
    assert (answer.status, answer.ours["dispatched"]) == (424, "unknown")
    assert await child.ended() == 0
    assert site.events("stopped")[-1]["abandoned"] == 1
    assert [(entry["k"], entry.get("eff")) for entry in recorded(site)] == [
        ("call.intent", None),
        ("call.outcome", "unknown"),
    ]
    sandbox.faults.release()
    await site.start()
    status = await site.admin("GET", "/v1/status")
    assert [intent["intent"] for intent in status["in_doubt"]] == [recorded(site)[0]["call"]]
    assert await site.stop() == 0
    assert sandbox.wiretap.count("POST", "/v1/customers") == 1


async def test_upstream_too_slow(forker: Forker, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """A write whose own time runs out during a stop is answered and recorded as unknown."""
    site = Site(tmp_path / "site", forker, sandbox, timeouts={"write_total": "300ms"})
    child = await site.start()
    writing = await held_write(site, sandbox)
    child.send(signal.SIGTERM)
    answer = await writing
    assert isinstance(answer, Answer)
    assert (answer.status, answer.ours["outcome"]) == (424, "unknown")
    assert await child.ended() == 0
    assert site.events("stopped")[-1]["abandoned"] == 0
    outcome = recorded(site)[-1]
    assert (outcome["k"], outcome["eff"], outcome["err"]) == ("call.outcome", "unknown", {"class": "timeout"})


async def test_stop_notes_alerts(forker: Forker, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """What the last calls before a stop have reached of a cap is on record, and is told by the next process."""
    site = Site(tmp_path / "site", forker, sandbox, caps={"task": {"writes": 2}})
    child = await site.start()
    answer = await write(site)
    assert answer is not None
    child.send(signal.SIGTERM)
    assert await child.ended() == 0
    raised = [entry for entry in read_log(site.state).entries if entry["k"] == "budget.alerted"]
    assert [(entry["kind"], entry["threshold"], entry["cap"]) for entry in raised] == [("reached", 50, "2")]
    await site.start()
    await until(lambda: any(entry["k"] == "budget.told" for entry in read_log(site.state).entries))
    assert await site.stop() == 0
    told = [entry for entry in read_log(site.state).entries if entry["k"].startswith("budget.")]
    assert [(entry["k"], entry["alert"]) for entry in told] == [
        ("budget.alerted", raised[0]["alert"]),
        ("budget.told", raised[0]["alert"]),
    ]


async def test_kill_before_alert(forker: Forker, sandbox: StripeSandbox, tmp_path: Path) -> None:
    """What was reached of a cap a moment before a kill is raised by the next process, once, and told."""
    site = Site(tmp_path / "site", forker, sandbox, caps={"task": {"writes": 2}})
    child = await site.start()
    assert await write(site) is not None
    await child.kill()
    for _ in range(2):
        await site.start()
        await until(lambda: any(entry["k"] == "budget.told" for entry in read_log(site.state).entries))
        assert await site.stop() == 0
    told = [entry for entry in read_log(site.state).entries if entry["k"].startswith("budget.")]
    assert [(entry["k"], entry.get("threshold"), entry.get("cap")) for entry in told] == [
        ("budget.alerted", 50, "2"),
        ("budget.told", None, None),
    ]


# -------------------------------------------------------------------------------------- a caller that does not wait


async def test_caller_hangs_up(site: Site, sandbox: StripeSandbox) -> None:
    """A write whose caller hangs up finishes and is recorded, with the fact that its answer did not arrive."""
    await site.start()
    writing = await held_write(site, sandbox)
    writing.cancel()
    await asyncio.wait({writing})
    sandbox.faults.release()
    await until(lambda: ended(site))
    assert await site.stop() == 0
    assert [(entry["k"], entry.get("eff")) for entry in recorded(site)[:2]] == [
        ("call.intent", None),
        ("call.outcome", "applied"),
    ]
    assert sandbox.wiretap.count("POST", "/v1/customers") == sandbox.account.effects["customer.created"] == 1
    delivery = next(entry for entry in recorded(site) if entry["k"] == "call.delivery")
    assert (delivery["complete"], delivery["bytes"]) == (False, 0)


async def test_deadline_passes(site: Site, sandbox: StripeSandbox) -> None:
    """A caller whose deadline passes is told that nobody knows yet; the write ends later, on record as it ended."""
    await site.start()
    writing = await held_write(site, sandbox, {"Breakwater-Deadline-Ms": "150"})
    answer = await writing
    assert isinstance(answer, Answer)
    assert (answer.status, answer.ours["outcome"], answer.ours["dispatched"]) == (424, "unknown", "unknown")
    assert answer.ours["decision"].endswith(":outcome-unknown")
    told = [("call.intent", None), ("call.delivery", 424)]
    assert [(entry["k"], entry.get("st")) for entry in recorded(site)] == told
    sandbox.faults.release()
    await until(lambda: ended(site))
    assert (await site.admin("GET", "/v1/status"))["in_doubt"] == []
    assert await site.stop() == 0
    outcome = next(entry for entry in recorded(site) if entry["k"] == "call.outcome")
    assert (outcome["call"], outcome["eff"], outcome["st"]) == (answer.ours["call"], "applied", 200)


async def test_deadline_then_doubt(site: Site, sandbox: StripeSandbox) -> None:
    """A write that breaks after its caller's deadline, however often it is sent, is in doubt, and so on record."""
    await site.start()
    sandbox.faults.add(Fault(HangUp(), held=True, applied=True), Fault(HangUp(), times=2))
    answer = await write(site, {"Breakwater-Deadline-Ms": "150"})
    assert answer is not None
    assert answer.status == 424
    sandbox.faults.release()
    await until(lambda: ended(site))
    status = await site.admin("GET", "/v1/status")
    assert [intent["intent"] for intent in status["in_doubt"]] == [answer.ours["call"]]
    assert [entry.get("eff") for entry in recorded(site) if entry["k"] == "call.outcome"] == ["unknown"]
