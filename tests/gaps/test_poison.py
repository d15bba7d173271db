from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from loadtest.upstreams.stripe import Fault, StripeSandbox
from tests.crash.record import read_log
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.client import write
from tests.gaps.ending import KEYED, again, ends_once, held_back, starts_again

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Poison:
    """
    Where the disk fails, what the caller is told, what the upstream saw, whether the next start is in doubt,
    and what a repeat is told then.
    """

    verb: str
    nth: int
    status: int
    reason: str
    dispatched: str
    requests: int
    doubt: bool
    told: tuple[int, str]


# The first sync of a batch is that of its blobs, the second that of its entries.
POISONS = {
    "intent, blobs": Poison("intend", 1, 503, "ledger-unavailable", "no", 0, doubt=False, told=(200, "executed")),
    # What could not be synced stands in the file all the same: the next start errs on the side of doubt.
    "intent, entry": Poison("intend", 2, 503, "ledger-unavailable", "no", 0, doubt=True, told=(424, "unknown")),
    "outcome, blobs": Poison("conclude", 1, 424, "outcome-unknown", "unknown", 1, doubt=True, told=(424, "unknown")),
    "outcome, entry": Poison("conclude", 2, 424, "outcome-unknown", "unknown", 1, doubt=False, told=(200, "replayed")),
}


def failing(poison: Poison) -> Mapping[str, Any]:
    return {"verb": poison.verb, "step": "sync", "nth": poison.nth, "act": "eio"}


@pytest.mark.parametrize("name", POISONS)
async def test_sync_fails(site: Site, sandbox: StripeSandbox, name: str) -> None:
    """A failed sync ends the process with exit 1, and its caller is told no more than what is certain."""
    poison = POISONS[name]
    site.hook = failing(poison)
    child = await site.start()
    answer = await write(site, KEYED)
    assert answer is not None
    said = answer.ours
    assert answer.status == poison.status
    assert (said["decision"].partition(":")[2], said["dispatched"]) == (poison.reason, poison.dispatched)
    assert said["outcome"] == ("denied" if poison.dispatched == "no" else "unknown")
    assert await child.ended() == 1
    assert site.events("ledger-failed")[-1]["state"] == "poisoned"
    assert sandbox.wiretap.count("POST", "/v1/customers") == poison.requests
    with held_back(sandbox, poison.doubt):
        await starts_again(site, doubt=poison.doubt)
        status = await site.admin("GET", "/v1/status")
        assert [intent["intent"] for intent in status["in_doubt"]] == [said["call"]] * poison.doubt
        assert await again(site) == poison.told
    await ends_once(site, sandbox)
    # After the poison, and after the kill of the first start.
    assert sum(entry["k"] == "log.recovered" for entry in read_log(site.state).entries) == 2


async def test_poisoned_meanwhile(site: Site, sandbox: StripeSandbox) -> None:
    """A write that another's failed sync leaves unrecorded is never called unsent, neither late nor at its end."""
    site.hook = {"verb": "decline", "step": "sync", "nth": 1, "act": "eio"}
    child = await site.start()
    sandbox.faults.add(Fault(held=True, applied=True, times=2))
    late = asyncio.create_task(write(site, {"Breakwater-Deadline-Ms": "400"}, form={"name": "late"}))
    patient = asyncio.create_task(write(site, form={"name": "patient"}))
    await until(lambda: sandbox.wiretap.count("POST", "/v1/customers") == 2)
    refused = await write(site, path="/v1/prices")
    assert refused is not None
    assert (refused.status, refused.ours["dispatched"]) == (503, "no")
    first = await late
    sandbox.faults.release()
    for answer in (first, await patient):
        assert answer is not None
        assert (answer.status, answer.ours["outcome"], answer.ours["dispatched"]) == (424, "unknown", "unknown")
    assert await child.ended() == 1
    site.hook = None
    await site.start()
    assert len((await site.admin("GET", "/v1/status"))["in_doubt"]) == 2
    assert await site.stop() == 0


async def test_refusal_not_recorded(site: Site, sandbox: StripeSandbox) -> None:
    """A refusal that cannot be recorded is still a refusal, and the process ends with exit 1."""
    site.hook = {"verb": "decline", "step": "sync", "nth": 1, "act": "eio"}
    child = await site.start()
    answer = await write(site, path="/v1/prices")
    assert answer is not None
    assert (answer.status, answer.ours["dispatched"], answer.ours["outcome"]) == (503, "no", "denied")
    assert answer.ours["decision"].endswith(":ledger-unavailable")
    assert await child.ended() == 1
    assert sandbox.wiretap.requests == []


async def test_start_not_recorded(site: Site) -> None:
    """A start that cannot record what an earlier process left open is refused in words, and the next one records it."""
    site.hook = {"room": "ledger", "verb": "intend", "when": "after"}
    child = await site.start()
    assert await write(site) is None
    assert await child.ended() == -9
    site.hook = {"verb": "recovery_opened", "step": "sync", "nth": 1, "act": "eio"}
    child = await site.launch()
    assert await child.ended() == 1
    assert "error: what an earlier process left open could not be recorded" in site.log.read_text()
    assert "Traceback" not in site.log.read_text()
    site.hook = None
    await site.start()
    assert await site.stop() == 0
    kinds = [entry["k"] for entry in read_log(site.state).entries if "call" in entry]
    assert kinds == ["call.intent", "recovery.opened"]
