"""
What comes after a stop in a gap: a start and one more, a repeat under the same key, and one end of the write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from loadtest.upstreams.stripe import Fault, StripeSandbox
from tests.crash.record import Log, read_log
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.client import write

KEYED = {"Idempotency-Key": "one"}

WRITES = "/v1/customers"

# What a write's own course puts on record, and no repeat or look.
COURSE = frozenset({"call.intent", "call.outcome", "recovery.opened", "recovery.resolved", "change.recorded"})


def calls(log: Log) -> list[str]:
    """
    Return the kinds of the records of writes, in their order.
    """
    return [entry["k"] for entry in log.entries if "call" in entry and entry["k"] in COURSE]


@contextlib.contextmanager
def held_back(sandbox: StripeSandbox, doubt: bool) -> Iterator[None]:
    """
    Let whatever asks the upstream for what is in doubt wait until the block ends.
    """
    sandbox.faults.clear()
    if doubt:
        # Even a read: it could find what was made.
        sandbox.faults.add(Fault(held=True, path=f"{WRITES}*", times=None))
    yield
    sandbox.faults.clear()


async def starts_again(site: Site, *, doubt: bool) -> None:
    """
    Start twice, so that what the first start recovered is recovered from as well.
    """
    site.hook = {"soon": True}
    child = await site.start()
    await child.kill()
    await site.start()
    status = await site.admin("GET", "/v1/status")
    assert len(status["in_doubt"]) == doubt
    assert await site.metric("breakwater_unknown_outcomes_open") == doubt
    await until(lambda: bool(site.events("ready")))
    assert [line["intent"] for line in site.events("in-doubt")] == [intent["intent"] for intent in status["in_doubt"]]
    await site.adds_up()


async def again(site: Site) -> tuple[int, str]:
    """
    Repeat the write under its key, and return what it was told.
    """
    answer = await write(site, KEYED)
    assert answer is not None
    return answer.status, answer.ours["outcome"]


async def ends_once(site: Site, sandbox: StripeSandbox) -> None:
    """
    Look for what is in doubt until it has ended: the write was done once, and a repeat is given its answer.
    """

    async def known() -> bool:
        return not (await site.admin("GET", "/v1/status"))["in_doubt"]

    await until(known)
    assert await again(site) == (200, "replayed")
    assert sandbox.account.effects["customer.created"] == 1
    await site.adds_up()
    sent = {seen.header("Idempotency-Key") for seen in sandbox.wiretap.requests if seen.method == "POST"}
    assert len(sent) == 1, "it was sent under two keys"
    assert await site.stop() == 0
    assert await site.verified() == 0
    intents = {entry["i"] for entry in read_log(site.state).entries if entry["k"] == "call.intent"}
    assert len(intents) == 1
