from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from loadtest.upstreams.stripe import Fault, HangUp, StripeSandbox
from tests.crash.checks import kept
from tests.crash.record import read_log, torn_files
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.client import write

INTENT, OUTCOME, NAMED, CHANGED = "call.intent", "call.outcome", "recovery.opened", "change.recorded"


@dataclass(frozen=True, slots=True)
class Gap:
    """
    Where the process stops, and what is true after the next start: how many requests and effects the upstream saw,
    which records the write has, whether it is in doubt, whether a torn end was put aside.
    """

    hook: Mapping[str, Any]
    requests: int
    effects: int
    records: tuple[str, ...]
    doubt: bool
    torn: bool = False
    fault: Fault | None = None


def room(name: str, verb: str, when: str) -> dict[str, str]:
    return {"room": name, "verb": verb, "when": when}


def disk(verb: str, step: str, nth: int, act: str) -> dict[str, Any]:
    return {"verb": verb, "step": step, "nth": nth, "act": act}


LOST = Fault(HangUp(), applied=True)

# The steps of one batch on disk: blobs appended and synced, then entries with their COMMIT appended and synced.
GAPS = {
    # Reserved, nothing sent, nothing on record.
    "reserved": Gap(room("ledger", "intend", "before"), 0, 0, (), doubt=False),
    "intent, blobs torn": Gap(disk("intend", "append", 1, "tear"), 0, 0, (), doubt=False),
    "intent, blobs written": Gap(disk("intend", "sync", 1, "die"), 0, 0, (), doubt=False),
    "intent, entry torn": Gap(disk("intend", "append", 2, "tear"), 0, 0, (), doubt=False, torn=True),
    # On record, and it may have been sent.
    "intent, not synced": Gap(disk("intend", "sync", 2, "die"), 0, 0, (INTENT, NAMED), doubt=True),
    "intent durable": Gap(room("ledger", "intend", "after"), 0, 0, (INTENT, NAMED), doubt=True),
    "not marked": Gap(room("store", "dispatch", "before"), 0, 0, (INTENT, NAMED), doubt=True),
    "marked, not sent": Gap(room("store", "dispatch", "after"), 0, 0, (INTENT, NAMED), doubt=True),
    "answered upstream": Gap(room("forward", "write", "after"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, not begun": Gap(room("ledger", "conclude", "before"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, blobs torn": Gap(disk("conclude", "append", 1, "tear"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, blobs written": Gap(disk("conclude", "sync", 1, "die"), 1, 1, (INTENT, NAMED), doubt=True),
    "outcome, entry torn": Gap(disk("conclude", "append", 2, "tear"), 1, 1, (INTENT, NAMED), doubt=True, torn=True),
    # Known and on record.
    "outcome, not synced": Gap(disk("conclude", "sync", 2, "die"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    "outcome durable": Gap(room("ledger", "conclude", "after"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    "not settled": Gap(room("store", "settle", "before"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    "settled, not answered": Gap(room("store", "settle", "after"), 1, 1, (INTENT, OUTCOME, CHANGED), doubt=False),
    # On record as unknown: in doubt by its outcome, so that recovery need not say it.
    "unknown, on record": Gap(room("ledger", "conclude", "after"), 1, 1, (INTENT, OUTCOME), doubt=True, fault=LOST),
    "unknown, settled": Gap(room("store", "settle", "after"), 1, 1, (INTENT, OUTCOME), doubt=True, fault=LOST),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GAPS)
async def test_stop_here(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop in a gap the next start knows exactly what the gap's comment says, and sends nothing again."""
    gap = GAPS[name]
    if gap.fault is not None:
        sandbox.faults.add(gap.fault)
    site.hook = gap.hook
    child = await site.start()
    assert await write(site) is None
    assert await child.ended() == -9
    before = read_log(site.state)
    assert bool(before.torn) == gap.torn
    await starts_again(site, doubt=gap.doubt)
    assert sandbox.wiretap.count("POST", "/v1/customers") == gap.requests
    assert sandbox.account.effects["customer.created"] == gap.effects
    after = read_log(site.state)
    kept(before, after)
    assert (before.torn in torn_files(site.state)) == gap.torn
    calls = [entry for entry in after.entries if "call" in entry]
    assert tuple(entry["k"] for entry in calls) == gap.records
    assert len({entry["call"] for entry in calls}) == (1 if gap.records else 0)


# Settled, and answered or about to be; what it changed is not on record, or may not be.
UNTOLD = {
    "not begun": room("pending", "start", "before"),
    "not recorded": room("ledger", "change_recorded", "before"),
    "not durable": room("ledger", "change_recorded", "after"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTOLD)
async def test_change_not_told(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop before a write's change is durable the next start says, once, that nobody looked at it."""
    site.hook = UNTOLD[name]
    child = await site.start()
    answered = await write(site)
    assert answered is None or answered.status == 200
    assert await child.ended() == -9
    await starts_again(site, doubt=False)
    assert sandbox.account.effects["customer.created"] == 1
    calls = [entry for entry in read_log(site.state).entries if "call" in entry]
    assert [entry["k"] for entry in calls] == [INTENT, OUTCOME, CHANGED]
    intent, outcome, change = calls
    assert (change["intent"], change["outcome"]) == (intent["i"], outcome["i"])
    assert change.get("note") == "interrupted" or name == "not durable"


async def starts_again(site: Site, *, doubt: bool) -> None:
    """Start twice, so that what the first start recovered is recovered from as well."""
    site.hook = None
    child = await site.start()
    await child.kill()
    await site.start()
    status = await site.admin("GET", "/v1/status")
    assert len(status["in_doubt"]) == doubt
    assert await site.metric("breakwater_unknown_outcomes_open") == doubt
    await until(lambda: bool(site.events("ready")))
    assert [line["intent"] for line in site.events("in-doubt")] == [intent["intent"] for intent in status["in_doubt"]]
    assert await site.verified() == 0


@pytest.mark.slow
async def test_killed_while_sent(site: Site, sandbox: StripeSandbox) -> None:
    """A write that the upstream holds when the process is killed is in doubt after the start, and is not sent again."""
    sandbox.faults.add(Fault(held=True, applied=True))
    child = await site.start()
    writing = asyncio.create_task(write(site))
    await until(sandbox.faults.holding.is_set)
    await child.kill()
    assert await writing is None
    sandbox.faults.release()
    await starts_again(site, doubt=True)
    assert sandbox.wiretap.count("POST", "/v1/customers") == sandbox.account.effects["customer.created"] == 1
    assert [entry["k"] for entry in read_log(site.state).entries if "call" in entry] == [INTENT, NAMED]


@pytest.mark.slow
async def test_write_after_start(site: Site, sandbox: StripeSandbox) -> None:
    """A write in doubt does not stand in the way of the next one."""
    site.hook = room("ledger", "intend", "after")
    child = await site.start()
    assert await write(site) is None
    await child.ended()
    site.hook = None
    await site.start()
    answer = await write(site)
    assert answer is not None
    assert (answer.status, answer.ours["outcome"]) == (200, "executed")
    assert await site.stop() == 0
    calls = [entry["k"] for entry in read_log(site.state).entries if "call" in entry]
    assert calls == [INTENT, NAMED, INTENT, OUTCOME, CHANGED]
