from __future__ import annotations

import pytest
import stripe

from loadtest.upstreams.stripe import Fault, HangUp, Status
from tests.clients.sdk import Sdk, error_of
from tests.clients.stage import STYLES, Stage

# What is in doubt is looked for while the next test runs, at the same sandbox: here it forgets nothing.


def paid(sdk: Sdk) -> str:
    made = sdk.create("payment_intents", amount=20_000, currency="usd", payment_method="pm_card_visa", confirm=True)
    return str(made.latest_charge)


def refunds(on: Stage, charge: str) -> tuple[set[str | None], int, int]:
    """Under which keys a refund of a charge arrived, how often, and how often it was made."""
    sent = [seen for seen in on.sandbox.wiretap.requests if seen.method == "POST" and charge.encode() in seen.body]
    keys = {seen.header("Idempotency-Key") for seen in sent}
    return keys, len(sent), sum(sum(on.sandbox.effects_by_key[key or ""].values()) for key in keys)


@pytest.mark.slow
@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("act", [Status(500), Status(502), Status(503), Status(504), HangUp(), HangUp(reset=True)])
@pytest.mark.parametrize("style", STYLES)
def test_write_in_doubt(whole_stage: Stage, style: str, act: Status | HangUp, applied: bool) -> None:
    """A write in doubt is a 424 that the SDK does not send again; we do, at most twice, under its one key."""
    on = whole_stage
    with on.proxied(style=style) as sdk:
        charge = paid(sdk)
        on.sandbox.faults.add(Fault(act, applied=applied, method="POST", path="/v1/refunds", times=None))
        with pytest.raises(stripe.APIError) as caught:
            sdk.create("refunds", charge=charge, amount=100)
        keys, sent, made = refunds(on, charge)
        on.sandbox.faults.clear()
    shown, headers = error_of(caught.value), {n.lower(): v for n, v in (caught.value.headers or {}).items()}
    assert (shown["status"], shown["body"]["error"]["code"]) == (424, "outcome-unknown")
    assert headers["stripe-should-retry"] == "false"
    assert (headers["breakwater-outcome"], headers["breakwater-dispatched"]) == ("unknown", "unknown")
    assert (len(keys), sent, made) == (1, 3, int(applied))
