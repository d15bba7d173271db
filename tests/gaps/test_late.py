from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.crash.site import Site
from tests.crash.waiting import until
from tests.gaps.client import write
from tests.gaps.ending import KEYED, again

pytestmark = pytest.mark.slow

# Longer than a write may take from its permit to its first byte.
TOO_LONG_S = 2.2


def stands_still(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_late_sender(site: Site, sandbox: StripeSandbox) -> None:
    """A process that stood still between its permit and the first byte sends nothing late, and its key is free."""
    site.hook = {"room": "store", "verb": "dispatch", "when": "after", "still": True}
    child = await site.start()
    writing = asyncio.create_task(write(site, KEYED))
    await until(lambda: stands_still(child.pid))
    await asyncio.sleep(TOO_LONG_S)
    child.send(signal.SIGCONT)
    answer = await writing
    assert answer is not None
    assert (answer.ours["outcome"], answer.ours["dispatched"]) == ("denied", "no")
    assert sandbox.wiretap.count("POST", "/v1/customers") == 0
    assert await again(site) == (200, "executed")
    assert await again(site) == (200, "replayed")
    assert sandbox.wiretap.count("POST", "/v1/customers") == sandbox.account.effects["customer.created"] == 1
    assert await site.stop() == 0


async def test_short_stop(site: Site, sandbox: StripeSandbox) -> None:
    """One that stood still for a moment only sends it, once."""
    site.hook = {"room": "store", "verb": "dispatch", "when": "after", "still": True}
    child = await site.start()
    writing = asyncio.create_task(write(site, KEYED))
    await until(lambda: stands_still(child.pid))
    child.send(signal.SIGCONT)
    answer = await writing
    assert answer is not None
    assert (answer.status, answer.ours["outcome"]) == (200, "executed")
    assert sandbox.wiretap.count("POST", "/v1/customers") == sandbox.account.effects["customer.created"] == 1
    assert await site.stop() == 0
