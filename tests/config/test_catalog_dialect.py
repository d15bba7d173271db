"""Dialects: errors in each API's own shape, and answers recognised by their signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import stripe
from stripe._api_requestor import _APIRequestor as ApiRequestor

from config.dialect import Dialect, point_at, render_error
from config.tables import load_catalog

DETAILS = {"reason": "not-allowed", "call": "01C"}


def dialect(name: str) -> Dialect:
    return load_catalog(name, Path()).dialect


SHAPES = [
    (
        "stripe",
        {"error": {"type": "invalid_request_error", "code": "not-allowed", "message": "No.", "breakwater": DETAILS}},
    ),
    (
        "github",
        {"message": "No.", "documentation_url": "urn:breakwater:not-allowed", "status": "403", "breakwater": DETAILS},
    ),
    ("jira", {"errorMessages": ["No."], "errors": {}, "breakwater": DETAILS}),
]


@pytest.mark.parametrize(("name", "body"), SHAPES)
def test_error_shapes(name: str, body: dict[str, Any]) -> None:
    """A refusal has the shape of the API's own errors, with our fields inside."""
    assert render_error(dialect(name), 403, "not-allowed", "No.", DETAILS) == ("application/json", body)


@pytest.mark.parametrize("plain", [None, Dialect()])
def test_problem(plain: Dialect | None) -> None:
    """Where the API has no error shape, the body is problem+json."""
    media_type, body = render_error(plain, 403, "not-allowed", "No.", DETAILS)
    assert media_type == "application/problem+json"
    assert body == {
        "type": "urn:breakwater:not-allowed",
        "title": "not-allowed",
        "status": 403,
        "detail": "No.",
        "breakwater": DETAILS,
    }


def test_no_second_filling() -> None:
    """What is put into a template is never read as a template."""
    _, body = render_error(dialect("jira"), 403, "not-allowed", "$details", {"call": "$message"})
    assert body["errorMessages"] == ["$details"]
    assert body["breakwater"] == {"call": "$message"}


RAISED = [
    (400, "idempotency-key-missing", stripe.InvalidRequestError),
    (401, "key-unknown", stripe.AuthenticationError),
    (403, "limit-exceeded", stripe.PermissionError),
    (404, "door-unknown", stripe.InvalidRequestError),
    (409, "idempotency-in-flight", stripe.APIError),
    (413, "body-too-large", stripe.APIError),
    (422, "idempotency-key-reused", stripe.APIError),
    (424, "outcome-unknown", stripe.APIError),
    (429, "upstream-throttled", stripe.RateLimitError),
    (503, "ledger-unavailable", stripe.APIError),
]


@pytest.mark.parametrize("mode", ["V1", "V2"])
@pytest.mark.parametrize(("status", "reason", "expected"), RAISED)
def test_stripe_raises(status: int, reason: str, expected: type[Exception], mode: str) -> None:
    """The vendor's SDK raises the class that fits the status, with our sentence in it."""
    if mode == "V2" and reason == "idempotency-key-reused":
        expected = stripe.IdempotencyError  # v2 goes by the type, v1 by the status
    _, body = render_error(dialect("stripe"), status, reason, "Nothing was sent to Stripe.", DETAILS)
    with pytest.raises(expected) as raised:
        ApiRequestor().handle_error_response(json.dumps(body), status, body, {}, mode)
    assert type(raised.value) is expected
    assert "Nothing was sent to Stripe." in str(raised.value)


TYPES = [
    (403, "not-allowed", "invalid_request_error"),
    (503, "store-unavailable", "api_error"),
    (424, "outcome-unknown", "api_error"),
    (422, "idempotency-key-reused", "idempotency_error"),
]


@pytest.mark.parametrize(("status", "reason", "expected"), TYPES)
def test_error_types(status: int, reason: str, expected: str) -> None:
    """The reason's own type goes before that of the status, and that before the class of statuses."""
    shape = dialect("stripe").errors
    assert shape is not None
    assert shape.type_of(status, reason) == expected


THROTTLED = [
    ("stripe", 429, {}, b"", True),
    ("stripe", 403, {"retry-after": "3"}, b"", False),
    ("github", 429, {}, b"", True),
    ("github", 403, {"retry-after": "60"}, b"", True),
    ("github", 403, {"x-ratelimit-remaining": "0"}, b"", True),
    ("github", 403, {"x-ratelimit-remaining": "7"}, b"", False),
    ("github", 403, {}, b'{"message": "You have exceeded a secondary rate limit"}', True),
    ("github", 403, {}, b'{"message": "Resource not accessible"}', False),
    ("github", 200, {"x-ratelimit-remaining": "0"}, b"", False),
    ("jira", 429, {}, b"", True),
    ("jira", 403, {}, b"", False),
]


@pytest.mark.parametrize(("name", "status", "headers", "body", "expected"), THROTTLED)
def test_throttled(name: str, status: int, headers: dict[str, str], body: bytes, expected: bool) -> None:
    """Each API's way to say "later" is told from a refusal."""
    assert dialect(name).is_throttled(status, headers, body) is expected


IN_USE: list[tuple[int, object, bool]] = [
    (409, {"error": {"code": "idempotency_key_in_use"}}, True),
    (409, {"error": {"code": "lock_timeout"}}, False),
    (400, {"error": {"code": "idempotency_key_in_use"}}, False),
    (409, None, False),
    (409, [], False),
]


@pytest.mark.parametrize(("status", "document", "expected"), IN_USE)
def test_key_in_use(status: int, document: object, expected: bool) -> None:
    """A conflict is a key in use only where the body says so."""
    assert dialect("stripe").is_key_in_use(status, {}, b"", document) is expected


POINTERS = [("/a/b", 1), ("/a/c/1", 3), ("/a/c/2", None), ("/a/c/-1", None), ("/x~1y/~0", 4), ("/a/b/c", None)]


@pytest.mark.parametrize(("pointer", "expected"), POINTERS)
def test_pointers(pointer: str, expected: object) -> None:
    """A pointer leads through objects and lists to a value, or to nothing."""
    assert point_at({"a": {"b": 1, "c": [2, 3]}, "x/y": {"~": 4}}, pointer) == expected


def test_header_names() -> None:
    """Header names are lower-case, and what chooses an account is never among those that just pass."""
    manners = dialect("stripe")
    assert manners.redirecting_headers == {"stripe-account", "stripe-context"}
    assert manners.forward_headers == {"stripe-version"}
    assert "request-id" in manners.shown_headers
    assert manners.refusal_headers == {"Stripe-Should-Retry": "false"}
