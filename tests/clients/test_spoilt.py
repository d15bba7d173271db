from __future__ import annotations

from typing import Any

import pytest
import stripe

from loadtest.upstreams.malformed import CONTENTS, MANNERS
from loadtest.upstreams.stripe import Drip, Fault, Malformed
from tests.clients.sdk import Sdk, error_of
from tests.clients.stage import Stage

# What the SDK makes of a spoilt answer to a read, and to a write that was done: an HTTP status and a code of ours.
Outcome = tuple[int | None, str | None]

PASSED: Outcome = (200, None)
MALFORMED: Outcome = (502, "upstream-malformed")
DONE: Outcome = (424, "answer-not-kept")

# The last number is how often the write is sent: its answer is asked for again under its key.
SPOILT: dict[str, tuple[Outcome, Outcome, int]] = {
    "two-lengths": (MALFORMED, PASSED, 2),
    "length-and-chunked": (MALFORMED, PASSED, 2),
    "oversized-header": (MALFORMED, PASSED, 2),
    "many-headers": (MALFORMED, PASSED, 2),
    "bad-chunk": (MALFORMED, PASSED, 2),
    "not-http": (MALFORMED, PASSED, 2),
    "garbage": (MALFORMED, PASSED, 2),
    "header-injection": (MALFORMED, PASSED, 2),
    "switching-protocols": (MALFORMED, PASSED, 2),
    "truncated-body": (MALFORMED, DONE, 1),
    "truncated-chunk": (MALFORMED, DONE, 1),
    "gzip": (MALFORMED, DONE, 1),
    "gzip-broken": (MALFORMED, DONE, 1),
    "not-json": (PASSED, PASSED, 1),
    "early-hints": (PASSED, PASSED, 1),
    "second-response": (PASSED, PASSED, 1),
}


def outcome(sdk: Sdk, verb: str, *arguments: Any, **params: Any) -> Outcome:
    try:
        value = getattr(sdk, verb)(*arguments, **params)
    except stripe.StripeError as error:
        shown = error_of(error)
        code = shown["body"]["error"]["code"] if isinstance(shown["body"], dict) else None
        return shown["status"], code
    return value.last_response.code, None


@pytest.mark.parametrize("manner", [*MANNERS, *CONTENTS])
def test_spoilt_answer(on: Stage, manner: str) -> None:
    """A spoilt answer is never taken for another, a write under it has one key, and the next call is untouched."""
    with on.proxied() as sdk:
        id_ = sdk.create("customers", name="A").id
        path = f"/v1/customers/{id_}"
        for method in ("GET", "POST"):
            on.sandbox.faults.add(Fault(Malformed(manner), method=method, path=path))
        found = outcome(sdk, "retrieve", "customers", id_), outcome(sdk, "update", "customers", id_, name="B")
        assert found == SPOILT[manner][:2]
        sent = [seen for seen in on.sandbox.wiretap.requests if (seen.method, seen.path) == ("POST", path)]
        assert len({seen.header("Idempotency-Key") for seen in sent}) == 1
        assert len(sent) == SPOILT[manner][2]
        assert on.sandbox.account.effects["customer.updated"] == 1
        after = sdk.retrieve("customers", id_)
    assert (after.id, after.name) == (id_, "B")
    assert b"smuggled" not in sdk.http.received


def test_slow_answer(on: Stage) -> None:
    """An answer that drips arrives whole."""
    with on.proxied() as sdk:
        on.sandbox.faults.add(Fault(Drip(chunk=50, pause_s=0.001), times=2))
        made = sdk.create("customers", name="slow")
        assert sdk.retrieve("customers", made.id).name == "slow"
