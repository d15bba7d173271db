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
IN_DOUBT: Outcome = (424, "outcome-unknown")
DONE: Outcome = (424, "answer-not-kept")

SPOILT: dict[str, tuple[Outcome, Outcome]] = {
    "two-lengths": (MALFORMED, IN_DOUBT),
    "length-and-chunked": (MALFORMED, IN_DOUBT),
    "oversized-header": (MALFORMED, IN_DOUBT),
    "many-headers": (MALFORMED, IN_DOUBT),
    "bad-chunk": (MALFORMED, IN_DOUBT),
    "not-http": (MALFORMED, IN_DOUBT),
    "garbage": (MALFORMED, IN_DOUBT),
    "header-injection": (MALFORMED, IN_DOUBT),
    "switching-protocols": (MALFORMED, IN_DOUBT),
    "truncated-body": (MALFORMED, DONE),
    "truncated-chunk": (MALFORMED, DONE),
    "gzip": (MALFORMED, DONE),
    "gzip-broken": (MALFORMED, DONE),
    "not-json": (PASSED, PASSED),
    "early-hints": (PASSED, PASSED),
    "second-response": (PASSED, PASSED),
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
        assert found == SPOILT[manner]
        sent = [seen for seen in on.sandbox.wiretap.requests if (seen.method, seen.path) == ("POST", path)]
        assert len({seen.header("Idempotency-Key") for seen in sent}) == 1
        assert len(sent) == (2 if SPOILT[manner][1] == FOUND else 1)
        after = sdk.retrieve("customers", id_)
    assert (after.id, after.name) == (id_, "B")
    assert b"smuggled" not in sdk.http.received


def test_slow_answer(on: Stage) -> None:
    """An answer that drips arrives whole."""
    with on.proxied() as sdk:
        on.sandbox.faults.add(Fault(Drip(chunk=50, pause_s=0.001), times=2))
        made = sdk.create("customers", name="slow")
        assert sdk.retrieve("customers", made.id).name == "slow"
