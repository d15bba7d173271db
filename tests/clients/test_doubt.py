from __future__ import annotations

from typing import Any

import pytest
import stripe

from loadtest.upstreams.stripe import Fault, HangUp, Malformed, Status
from tests.clients.sdk import Sdk, paid, raised
from tests.clients.stage import STYLES, Stage

# What is in doubt is looked for while the next test runs, at the same sandbox: here it forgets nothing.
pytestmark = pytest.mark.slow

STATUSES = [Status(500), Status(502), Status(503), Status(504)]
UNREADABLE = ["two-lengths", "oversized-header", "bad-chunk", "not-http", "garbage", "header-injection"]


def refunds(on: Stage, charge: str) -> tuple[set[str | None], int, int]:
    """Under which keys a refund of a charge arrived, how often, and how often it was made."""
    sent = [seen for seen in on.sandbox.wiretap.requests if seen.method == "POST" and charge.encode() in seen.body]
    assert len({(seen.target, seen.body) for seen in sent}) == 1
    keys = {seen.header("Idempotency-Key") for seen in sent}
    return keys, len(sent), sum(sum(on.sandbox.effects_by_key[key or ""].values()) for key in keys)


def unknown(sdk: Sdk, charge: str) -> dict[str, Any]:
    """Refund a part of a charge; return what the SDK shows of the doubt about it."""
    shown = raised(sdk, stripe.APIError, "create", "refunds", charge=charge, amount=100)
    assert (shown["status"], shown["body"]["error"]["code"], shown["retry"]) == (424, "outcome-unknown", "false")
    assert (shown["ours"]["breakwater-outcome"], shown["ours"]["breakwater-dispatched"]) == ("unknown", "unknown")
    return shown


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("act", [*STATUSES, HangUp(), HangUp(reset=True)])
@pytest.mark.parametrize("style", STYLES)
def test_write_in_doubt(whole_stage: Stage, style: str, act: Status | HangUp, applied: bool) -> None:
    """A write in doubt is a 424 that the SDK does not send again; we do, at most twice, under its one key."""
    on = whole_stage
    with on.proxied(style=style) as sdk:
        charge = paid(sdk)
        on.sandbox.faults.add(Fault(act, applied=applied, method="POST", path="/v1/refunds", times=None))
        unknown(sdk, charge)
        keys, sent, made = refunds(on, charge)
        on.sandbox.faults.clear()
    assert (len(keys), sent, made) == (1, 3, int(applied))


@pytest.mark.parametrize("manner", UNREADABLE)
def test_never_readable(whole_stage: Stage, manner: str) -> None:
    """A write whose answer can be read at no attempt is in doubt, and was made once."""
    on = whole_stage
    with on.proxied() as sdk:
        charge = paid(sdk)
        on.sandbox.faults.add(Fault(Malformed(manner), method="POST", path="/v1/refunds", times=None))
        unknown(sdk, charge)
        keys, sent, made = refunds(on, charge)
        on.sandbox.faults.clear()
    assert (len(keys), sent, made) == (1, 3, 1)


@pytest.mark.parametrize("style", STYLES)
def test_doubt_repeated(whole_stage: Stage, style: str) -> None:
    """A write in doubt that is made once more under another key is the same doubt, and nothing more is sent."""
    on = whole_stage
    with on.proxied(style=style) as sdk:
        charge = paid(sdk)
        on.sandbox.faults.add(Fault(HangUp(), method="POST", path="/v1/refunds", times=None))
        first, again = unknown(sdk, charge), unknown(sdk, charge)
        keys, sent, made = refunds(on, charge)
        on.sandbox.faults.clear()
    assert again["ours"]["breakwater-intent"] == first["ours"]["breakwater-call"] != again["ours"]["breakwater-call"]
    assert (len(keys), sent, made) == (1, 3, 0)
