"""What goes back to an agent: statuses that SDKs do not re-send, words that say what happened, each API's own shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from breakers.call import Applied, Fault, Health, Outcome, Retry, Sent
from breakers.verdict import SENTENCES, Reason, Refuse
from config.dialect import Dialect
from config.tables import load_catalog
from proxy.answer import RESENT, RETRY_AFTER_S, STATUS, Whole, read_failed, refusal, written
from tests.proxy.road import first_sentence
from tests.proxy.shapes import message, ours

CALL = "01K9ZTQ6Q7T6GZ7E0M3V4R8XWB"
DIALECTS: Mapping[str, Dialect | None] = {
    **{name: load_catalog(name, Path()).dialect for name in ("stripe", "github", "jira")},
    "none": None,
}
STRIPE = DIALECTS["stripe"]
REASONS = tuple(Reason)
HEADERS = (("content-type", "application/json"), ("request-id", "req_1"))


def body(whole: Whole) -> Any:
    """
    Return an answer's body as JSON.
    """
    return json.loads(whole.body)


def header(whole: Whole, name: str) -> str | None:
    """
    Return a header of an answer.
    """
    return dict(whole.headers).get(name)


def test_statuses() -> None:
    """Every reason has a status, none a success or a fake decline; only 503, 429 and a joinable 409 invite a repeat."""
    assert set(STATUS) == set(Reason) == set(SENTENCES)
    assert all(400 <= status < 600 and status != 402 for status in STATUS.values())
    assert {reason for reason, status in STATUS.items() if status == 409} == {Reason.IDEMPOTENCY_IN_FLIGHT} == RESENT
    again = {reason for reason, status in STATUS.items() if status == 429 or status >= 500}
    ended = {Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_MALFORMED, Reason.ANSWER_TOO_LARGE}
    assert again - set(RETRY_AFTER_S) == {*ended, Reason.INTERNAL}
    assert {STATUS[reason] for reason in RETRY_AFTER_S} == {503, 429, 409}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("reason", REASONS)
def test_refusal(reason: Reason, name: str) -> None:
    """A refusal is in the API's own shape, begins with what happened, ends with what to do, and invites no re-send."""
    dialect = DIALECTS[name]
    title = dialect.title if dialect else "the upstream"
    no = refusal(Refuse(reason, "gate", "Detail stands here.", (("argument", "amount"),)), CALL, dialect)
    said = message(name, body(no))
    assert first_sentence(said) == f"Nothing was sent to {title}."
    assert said.endswith(f"Detail stands here. {SENTENCES[reason]}")
    fields = {"reason": str(reason), "call": CALL, "dispatched": "no", "argument": "amount"}
    assert ours(name, body(no)) == fields
    assert [header(no, f"breakwater-{mark}") for mark in ("call", "outcome", "dispatched", "decision")] == [
        CALL,
        "denied",
        "no",
        f"gate:{reason}",
    ]
    assert (header(no, "retry-after") is not None) == (no.status in {503, 429, 409})
    assert header(no, "stripe-should-retry") == ("false" if name == "stripe" and reason not in RESENT else None)
    assert header(no, "breakwater-intent") is None
    assert header(no, "content-type") == ("application/problem+json" if name == "none" else "application/json")


@pytest.mark.parametrize(("told_ms", "seconds"), [("9000", "9"), ("9001", "10"), ("1", "1"), ("0", "1")])
def test_retry_after(told_ms: str, seconds: str) -> None:
    """Where a refusal says for how long it holds, whoever comes back then is not refused for that."""
    no = Refuse(Reason.UPSTREAM_THROTTLED, "throttle", "", (("retry_after_ms", told_ms),))
    assert header(refusal(no, CALL, None), "retry-after") == seconds


def test_shapes() -> None:
    """Each API's SDK finds what it looks for, and a client of none finds a problem with a type."""
    no = Refuse(Reason.LIMIT_EXCEEDED, "limits", "")
    stripe, github, jira, problem = (body(refusal(no, CALL, dialect)) for dialect in DIALECTS.values())
    assert (stripe["error"]["type"], stripe["error"]["code"]) == ("invalid_request_error", "limit-exceeded")
    assert set(stripe) == {"error"}
    assert (github["status"], github["documentation_url"]) == ("403", "urn:breakwater:limit-exceeded")
    assert jira["errors"] == {}
    assert len(jira["errorMessages"]) == 1
    assert {name: problem[name] for name in ("type", "title", "status")} == {
        "type": "urn:breakwater:limit-exceeded",
        "title": "limit-exceeded",
        "status": 403,
    }


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.NOT_ALLOWED, "invalid_request_error"),
        (Reason.KEY_UNKNOWN, "invalid_request_error"),
        (Reason.OUTCOME_UNKNOWN, "api_error"),
        (Reason.UPSTREAM_UNREACHABLE, "api_error"),
        (Reason.UPSTREAM_TIMEOUT, "api_error"),
    ],
)
def test_stripe_types(reason: Reason, kind: str) -> None:
    """Stripe's error type is the one that its SDK raises the matching exception for."""
    assert body(refusal(Refuse(reason, "gate", ""), CALL, STRIPE))["error"]["type"] == kind


def ended(applied: Applied, status: int | None, fault: Fault | None = None, sent: Sent = Sent.YES) -> Outcome:
    """
    Return how a call ended.
    """
    return Outcome(applied, Health.OK, Retry.NEVER, sent, status=status, headers=HEADERS, body=b"{}", fault=fault)


@pytest.mark.parametrize(
    ("outcome", "status", "marked"),
    [
        (ended(Applied.APPLIED, 200), 200, ("executed", "yes", "forward:allowed")),
        (ended(Applied.NOT_APPLIED, 404), 404, ("executed", "yes", "forward:allowed")),
        (ended(Applied.NOT_APPLIED, 401), 401, ("executed", "yes", "forward:allowed")),
        (ended(Applied.UNKNOWN, 500), 424, ("unknown", "unknown", "forward:outcome-unknown")),
        (ended(Applied.UNKNOWN, None, Fault.RESET), 424, ("unknown", "unknown", "forward:outcome-unknown")),
        (ended(Applied.APPLIED, 200, Fault.TOO_LARGE), 424, ("executed", "yes", "forward:answer-not-kept")),
        (
            ended(Applied.NOT_APPLIED, None, Fault.CONNECT, Sent.NO),
            503,
            ("denied", "no", "forward:upstream-unreachable"),
        ),
        (ended(Applied.NOT_APPLIED, None, Fault.STOPPED, Sent.NO), 403, ("denied", "no", "kill:killed")),
    ],
)
def test_written(outcome: Outcome, status: int, marked: tuple[str, str, str]) -> None:
    """A write's answer is the upstream's own where it says what happened, and ours where it leaves doubt."""
    assert STRIPE is not None
    whole = written(CALL, outcome, STRIPE)
    assert whole.status == status
    assert tuple(header(whole, f"breakwater-{mark}") for mark in ("outcome", "dispatched", "decision")) == marked


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (ended(Applied.NOT_APPLIED, None, Fault.TIMEOUT), 504, "upstream-timeout"),
        (ended(Applied.NOT_APPLIED, None, Fault.RESET), 502, "upstream-malformed"),
        (ended(Applied.NOT_APPLIED, 200, Fault.MALFORMED), 502, "upstream-malformed"),
        (ended(Applied.NOT_APPLIED, None, Fault.UNRESOLVED, Sent.NO), 503, "upstream-unreachable"),
    ],
)
def test_read_failed(outcome: Outcome, status: int, reason: str) -> None:
    """A read that brought no answer says whether it was sent, and only one that was not says when to try again."""
    assert STRIPE is not None
    whole = read_failed(CALL, outcome, STRIPE)
    assert (whole.status, body(whole)["error"]["code"]) == (status, reason)
    assert (header(whole, "retry-after") is None) == (outcome.sent is Sent.YES)
