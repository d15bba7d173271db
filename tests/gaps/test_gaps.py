from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from loadtest.upstreams.stripe import Fault, StripeSandbox
from tests.crash.checks import kept
from tests.crash.record import read_log, torn_files
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.client import write
from tests.gaps.ending import KEYED, again, calls, ends_once, held_back, starts_again
from tests.gaps.table import CHANGED, GAPS, INTENT, LOST, NAMED, OUTCOME, disk, room

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.mark.parametrize("name", GAPS)
async def test_stop_here(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop in a gap a repeat is told what the gap's comment says, and the write is done once and found."""
    gap = GAPS[name]
    if gap.fault is not None:
        sandbox.faults.add(gap.fault)
    site.hook = gap.hook
    child = await site.start()
    assert await write(site, KEYED) is None
    assert await child.ended() == -9
    before = read_log(site.state)
    assert bool(before.torn) == gap.torn
    assert sandbox.wiretap.count("POST", "/v1/customers") == gap.requests
    assert sandbox.account.effects["customer.created"] == gap.effects
    with held_back(sandbox, gap.doubt):
        await starts_again(site, doubt=gap.doubt)
        after = read_log(site.state)
        kept(before, after)
        assert (before.torn in torn_files(site.state)) == gap.torn
        # A look that has begun meanwhile has said by itself that the write is in doubt.
        assert Counter(calls(after)) <= Counter((*gap.records, NAMED))
        assert Counter(gap.records) - Counter(calls(after)) <= Counter([NAMED] if gap.fault else [])
        assert await again(site) == gap.told
    await ends_once(site, sandbox)
    assert calls(read_log(site.state)).count(INTENT) == 1


# A write that the upstream has done, whose answer never came; then the looking for it stops.
RECOVERY = {
    "named": room("ledger", "doubt_opened", "after"),
    "to be sent again": room("forward", "resend", "before"),
    "sent again": room("forward", "resend", "after"),
    "probe, not begun": room("ledger", "doubt_probed", "before"),
    "probe torn": disk("doubt_probed", "append", 1, "tear"),
    "probe not synced": disk("doubt_probed", "sync", 1, "die"),
    "probed": room("ledger", "doubt_probed", "after"),
    "end, not begun": room("ledger", "doubt_resolved", "before"),
    "end, blobs torn": disk("doubt_resolved", "append", 1, "tear"),
    "end, entry torn": disk("doubt_resolved", "append", 2, "tear"),
    "end, not synced": disk("doubt_resolved", "sync", 2, "die"),
    "end on record": room("ledger", "doubt_resolved", "after"),
    "end, not settled": room("store", "resolve", "before"),
    "end settled": room("store", "resolve", "after"),
}

# From here on the end is on record: the next start knows it, and nobody looks again.
ON_RECORD = {"end, not synced", "end on record", "end, not settled", "end settled"}


@pytest.mark.parametrize("name", RECOVERY)
async def test_stop_looking(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop while a doubt is looked for the next start goes on with it, and it ends on record once."""
    sandbox.faults.add(LOST)
    child = await site.start()
    answer = await write(site, KEYED)
    assert answer is not None
    assert answer.status == 424
    await child.kill()
    sandbox.faults.clear()
    site.hook = {**RECOVERY[name], "soon": True}
    child = await site.launch()
    assert await child.ended() == -9
    before = read_log(site.state)
    with held_back(sandbox, name not in ON_RECORD):
        await starts_again(site, doubt=name not in ON_RECORD)
        kept(before, read_log(site.state))
        assert await again(site) == ((200, "replayed") if name in ON_RECORD else (424, "unknown"))
    await ends_once(site, sandbox)
    found = Counter(calls(read_log(site.state)))
    assert (found[INTENT], found[OUTCOME], found["recovery.resolved"]) == (1, 1, 1)


# Settled, and answered or about to be; what it changed is not on record, or may not be.
UNTOLD = {
    "not begun": room("pending", "start", "before"),
    "not recorded": room("ledger", "change_recorded", "before"),
    "not durable": room("ledger", "change_recorded", "after"),
}


@pytest.mark.parametrize("name", UNTOLD)
async def test_change_not_told(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """After a stop before a write's change is durable the next start says, once, that nobody looked at it."""
    site.hook = UNTOLD[name]
    child = await site.start()
    answered = await write(site, KEYED)
    assert answered is None or answered.status == 200
    assert await child.ended() == -9
    await starts_again(site, doubt=False)
    assert sandbox.account.effects["customer.created"] == 1
    found = [entry for entry in read_log(site.state).entries if "call" in entry]
    assert [entry["k"] for entry in found] == [INTENT, OUTCOME, CHANGED]
    intent, outcome, change = found
    assert (change["intent"], change["outcome"]) == (intent["i"], outcome["i"])
    assert change.get("note") == "interrupted" or name == "not durable"
    assert await again(site) == (200, "replayed")


async def test_killed_while_sent(site: Site, sandbox: StripeSandbox) -> None:
    """A write that the upstream holds when the process is killed is in doubt after the start, and found."""
    sandbox.faults.add(Fault(held=True, applied=True, method="POST"))
    child = await site.start()
    writing = asyncio.create_task(write(site, KEYED))
    await until(sandbox.faults.holding.is_set)
    await child.kill()
    assert await writing is None
    sandbox.faults.release()
    with held_back(sandbox, True):
        await starts_again(site, doubt=True)
        assert await again(site) == (424, "unknown")
    await ends_once(site, sandbox)


async def test_write_after_start(site: Site, sandbox: StripeSandbox) -> None:
    """A write in doubt does not stand in the way of another one."""
    site.hook = room("ledger", "intend", "after")
    child = await site.start()
    assert await write(site) is None
    await child.ended()
    site.hook = None
    await site.start()
    answer = await write(site, form={"name": "another"})
    assert answer is not None
    assert (answer.status, answer.ours["outcome"]) == (200, "executed")
