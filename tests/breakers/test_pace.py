"""When an upstream that throttles wants to be asked again, and by which calls; and the gate that waits for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Applied, Call, Caller, Health, Operation, Outcome, Request, Retry, Sent
from breakers.facts import Throttled
from breakers.pace import paced, scopes_of
from breakers.verdict import Reason
from config.catalog import Place
from config.dialect import Dialect
from config.tables import load_catalog
from tests.breakers.world import AT, QUIET, allow, call, deny, policy

SHOP = Dialect.model_validate({"resets": ["X-RateLimit-Reset"]})
CATALOGS = {name: load_catalog(name, Path()) for name in ("github", "jira", "stripe")}

NOW = AT.timestamp()
DATE, SKEWED = "Sat, 21 Nov 2026 09:30:00 GMT", "Sat, 21 Nov 2026 11:30:00 GMT"


def throttled(headers: dict[str, str], status: int = 429) -> Outcome:
    said = tuple(headers.items())
    return Outcome(Applied.NOT_APPLIED, Health.THROTTLE, Retry.SAFE, Sent.YES, status=status, headers=said)


def asked(api: str, name: str, **arguments: Any) -> Call:
    """
    Return a call of a bundled catalogue's operation, its path filled in.
    """
    spec = CATALOGS[api].operations[name]
    typed = {(Place.PATH, key): value for key, value in arguments.items()}
    request = Request("api", spec.method, ("x",))
    return Call("01CALL", AT, api, Caller("clerk", "key-1", "t"), Operation(spec, typed), request)


# what the answer says, and for how many seconds nothing is asked
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-1"}, 0),
        ({"retry-after": "1e9"}, 300),
        ({"retry-after": "1000000000000"}, 300),
        ({"retry-after": "soon"}, 1),
        ({"retry-after": ""}, 1),
        ({}, 1),
        ({"retry-after": "Sat, 21 Nov 2026 09:30:40 GMT"}, 40),
        ({"retry-after": "Sat, 21 Nov 2026 09:29:00 GMT"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 23:29:00 GMT"}, 300),
        # A date is as the upstream's clock has it, whatever ours says.
        ({"retry-after": "Sat, 21 Nov 2026 11:30:40 GMT", "date": SKEWED}, 40),
        ({"retry-after": "Sat, 21 Nov 2026 09:30:40 GMT", "date": DATE}, 40),
        ({"retry-after": "Sat, 21 Nov 2026 09:30:40 GMT", "date": "yesterday"}, 40),
        ({"retry-after": "Sat, 21 Nov 2026 09:30:40 GMT", "date": "Xyz, 99 Foo 2026 09:30:00 GMT"}, 40),
        ({"x-ratelimit-reset": str(int(NOW) + 90)}, 90),
        ({"x-ratelimit-reset": str(int(NOW) + 7200 + 90), "date": SKEWED}, 90),
        ({"x-ratelimit-reset": str(int(NOW) + 90), "x-ratelimit-remaining": "0"}, 90),
        # Another quota was meant than the one that this is about.
        ({"x-ratelimit-reset": str(int(NOW) + 90), "x-ratelimit-remaining": "4999"}, 1),
        ({"x-ratelimit-reset": "2026-11-21T09:32Z"}, 120),
        ({"x-ratelimit-reset": "2026-11-21T09:32:30+00:00"}, 150),
        ({"x-ratelimit-reset": "2026-11-21T09:32Z", "retry-after": "3"}, 3),
        ({"x-ratelimit-reset": "99999999999999999999"}, 300),
    ],
)
def test_when(headers: dict[str, str], seconds: int) -> None:
    """What an answer says is read in each of its forms, and held to five minutes."""
    pace = paced(call("issues/create"), throttled(headers), SHOP, AT)
    assert pace is not None
    assert pace.until == AT + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("api", "headers", "seconds"),
    [
        ("github", {}, 60),
        ("github", {"x-ratelimit-remaining": "4000", "x-ratelimit-reset": str(int(NOW) + 900)}, 60),
        ("github", {"retry-after": "5"}, 5),
        ("jira", {"x-ratelimit-reset": "2026-11-21T09:34Z"}, 240),
        ("stripe", {}, 1),
    ],
)
def test_vendors(api: str, headers: dict[str, str], seconds: int) -> None:
    """Where the answer does not say when, its vendor's manners do."""
    catalog = CATALOGS[api]
    anything = next(spec.name for spec in catalog.operations.values() if not spec.touches)
    pace = paced(asked(api, anything), throttled(headers, 403), catalog.dialect, AT)
    assert pace is not None
    assert (pace.until, pace.scopes, pace.why) == (AT + timedelta(seconds=seconds), (api,), "403")


ISSUE = {"issueIdOrKey": "OPS-1"}
EDIT, READ = asked("jira", "editIssue", **ISSUE), asked("jira", "getIssue", **ISSUE)
OTHER = asked("jira", "editIssue", issueIdOrKey="OPS-2")
VOTE = asked("jira", "addVote", **ISSUE)


@pytest.mark.parametrize(
    ("call_", "reason", "stopped"),
    [
        (EDIT, "", [EDIT, READ, OTHER, VOTE]),
        (EDIT, "jira-quota-tenant-based", [EDIT, READ, OTHER, VOTE]),
        (EDIT, "jira-burst-based", [EDIT, OTHER]),
        (READ, "jira-burst-based", [READ]),
        (EDIT, "jira-per-issue-on-write", [EDIT]),
        (READ, "jira-per-issue-on-write", [READ]),
    ],
)
def test_scope(call_: Call, reason: str, stopped: list[Call]) -> None:
    """What an answer says of why decides which calls are meant: all, those of one operation, writes on one object."""
    pace = paced(call_, throttled({"ratelimit-reason": reason, "retry-after": "9"}), CATALOGS["jira"].dialect, AT)
    assert pace is not None
    assert [one for one in (EDIT, READ, OTHER, VOTE) if {*scopes_of(one)} & {*pace.scopes}] == stopped
    assert pace.why == f"429 {reason}".strip()


@pytest.mark.parametrize("health", [health for health in Health if health is not Health.THROTTLE])
def test_others(health: Health) -> None:
    """Only an answer that throttles asks for anything, whatever its headers are."""
    ended = replace(throttled({"retry-after": "60"}), health=health)
    assert paced(call("issues/create"), ended, SHOP, AT) is None


@given(st.text(max_size=80), st.sampled_from(["retry-after", "x-ratelimit-reset", "date", "ratelimit-reason"]))
def test_any_text(value: str, name: str) -> None:
    """Whatever a header says, the wait lies within five minutes, and what is shown of it is short and printable."""
    pace = paced(EDIT, throttled({name: value}), CATALOGS["jira"].dialect, AT)
    assert pace is not None
    assert AT <= pace.until <= AT + timedelta(minutes=5)
    assert pace.why.isprintable()
    assert len(pace.why) <= 100


def test_gate() -> None:
    """A call that its upstream does not want yet is refused, whatever it is, with how long that lasts."""
    judged = policy({"*": {}})
    facts = replace(QUIET, throttled=Throttled(AT + timedelta(seconds=9), "429 burst"))
    for name in ("issues/list", "issues/create"):
        no = deny(judged, call(name), Reason.UPSTREAM_THROTTLED, "throttle", facts)
        assert dict(no.details) == {"until": "2026-11-21T09:30:09Z", "retry_after_ms": "9000"}
        assert "429 burst" in no.detail
    allow(judged, call("issues/list"), replace(facts, at=datetime(2026, 11, 21, 9, 30, 9, tzinfo=UTC)))
    deny(policy({}), call("issues/list"), Reason.NOT_ALLOWED, "allowlist", facts)
