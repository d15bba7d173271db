"""Repeats as a table: how what came before answers a call, and what is kept of one that has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from breakers.call import Applied, Call, Caller, Health, Outcome, Retry, Sent
from breakers.idempotency import RESENT_S, UNDELIVERED_S, ended_by, is_overtaken
from breakers.known import Earlier, Known, Names, State
from breakers.verdict import Again, Reason
from tests.breakers.world import AT, QUIET, allow, before, call, deny, known, policy, repeat, write

EVERYTHING = policy({"*": {}})
NOTHING = policy({})
TITLE = {"path.owner": "o", "path.repo": "r", "body.title": "Crash"}
OTHER = TITLE | {"body.title": "Crush"}
MINUTE = 60.0


def issue(key: str | None = None, said: dict[str, str] = TITLE, **more: Any) -> Call:
    return write("issues/create", said, key=key, **more)


def first(state: State, ago: float = 5.0, key: str | None = None, **more: Any) -> Earlier:
    return before(issue(key, id="01FIRST"), state, ago, **more)


CLAIM = {"until": AT + timedelta(seconds=10)}
LAPSED = {"until": AT}
YEAR = 365 * 24 * 60 * MINUTE

# how the first one stands (seconds ago), and how one under the same key is answered
UNDER_KEY = [
    (State.CLAIMED, 5, CLAIM, Again.JOIN),
    (State.DISPATCHED, YEAR, {}, Again.JOIN),
    (State.UNKNOWN, YEAR, {}, Again.UNKNOWN),
    (State.PARKED, YEAR, {}, Again.UNKNOWN),
    (State.COMPLETED, YEAR, {}, Again.REPLAY),
    (State.COMPLETED, YEAR, {"applied": False, "status": 422}, Again.REPLAY),
    (State.COMPLETED, YEAR, {"answered": False}, Again.REPLAY),
]


@pytest.mark.parametrize(("state", "ago", "more", "again"), UNDER_KEY)
def test_same_key(state: State, ago: float, more: dict[str, Any], again: Again) -> None:
    """The same request under the same key is answered from the first, however long ago that was."""
    facts = known(first(state, ago, "k-1", **more))
    assert repeat(EVERYTHING, issue("k-1"), again, facts) == "01FIRST"
    assert repeat(EVERYTHING, issue("k-1", duplicate=True), again, facts) == "01FIRST"


@pytest.mark.parametrize(("state", "ago", "more", "_again"), UNDER_KEY)
def test_reused_key(state: State, ago: float, more: dict[str, Any], _again: Again) -> None:
    """Another request under a key that was used is refused, and the answer names the call that used it."""
    refused = deny(
        EVERYTHING,
        issue("k-1", OTHER),
        Reason.IDEMPOTENCY_KEY_REUSED,
        "repeats",
        known(first(state, ago, "k-1", **more)),
    )
    assert refused.details == (("intent", "01FIRST"),)
    assert "issues/create" in refused.detail
    assert (AT - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ") in refused.detail


def test_task_is_part() -> None:
    """One key under two tasks that calls named is refused; the task of a day is nobody's choice and splits nothing."""
    today, tomorrow = Caller("clerk", "key-1", "day-1"), Caller("clerk", "key-2", "day-2")
    repeat(
        EVERYTHING,
        issue("k-1", caller=tomorrow),
        Again.REPLAY,
        known(before(issue("k-1", id="01FIRST", caller=today), State.COMPLETED)),
    )
    one, other = replace(today, named=True), replace(tomorrow, named=True)
    for asked in (issue("k-1", caller=other), issue("k-1", caller=tomorrow)):
        facts = known(before(issue("k-1", id="01FIRST", caller=one), State.COMPLETED))
        deny(EVERYTHING, asked, Reason.IDEMPOTENCY_KEY_REUSED, "repeats", facts)


# without a key: the first one, what the call says of itself, the answer (None: it passes the gate)
KEYLESS: list[tuple[State, float, dict[str, Any], dict[str, Any], Again | None]] = [
    (State.CLAIMED, 5, CLAIM, {}, Again.JOIN),
    (State.DISPATCHED, 16 * MINUTE, {}, {}, Again.JOIN),
    (State.DISPATCHED, 16 * MINUTE, {}, {"again": True}, Again.JOIN),
    (State.UNKNOWN, 16 * MINUTE, {}, {}, Again.UNKNOWN),
    (State.PARKED, YEAR, {}, {}, Again.UNKNOWN),
    (State.UNKNOWN, 5, {}, {"duplicate": True}, Again.UNKNOWN),
    (State.PARKED, 5, {}, {"duplicate": True}, Again.UNKNOWN),
    # it ended, and this says that it is a re-send
    (State.COMPLETED, RESENT_S, {}, {"again": True}, Again.REPLAY),
    (State.COMPLETED, RESENT_S + 0.001, {}, {"again": True}, None),
    (State.COMPLETED, RESENT_S, {"applied": False, "status": 422}, {"again": True}, None),
    (State.COMPLETED, 5 * MINUTE, {}, {}, None),
    # it ended, and its caller never heard of that
    (State.COMPLETED, UNDELIVERED_S, {"delivered": False}, {}, Again.REPLAY),
    (State.COMPLETED, UNDELIVERED_S + 0.001, {"delivered": False}, {}, None),
    (State.COMPLETED, MINUTE, {"delivered": False, "applied": False, "status": 404}, {}, None),
    (State.COMPLETED, 2 * MINUTE, {"delivered": False}, {"duplicate": True}, None),
    (State.COMPLETED, 2 * MINUTE, {}, {"again": True, "duplicate": True}, None),
    # a claim that lapsed is none
    (State.CLAIMED, 30, LAPSED, {}, None),
]


@pytest.mark.parametrize(("state", "ago", "more", "says", "again"), KEYLESS)
def test_without_key(state: State, ago: float, more: dict[str, Any], says: dict[str, Any], again: Again | None) -> None:
    """Without a key an equal write is found as long as it is open, and after that where this is a re-send of it."""
    facts = known(first(state, ago, **more))
    if again is None:
        allow(EVERYTHING, issue(**says), facts)
    else:
        assert repeat(EVERYTHING, issue(**says), again, facts) == "01FIRST"
    allow(EVERYTHING, issue(said=OTHER, **says), facts)


# a fresh key, while an equal one stands so
@pytest.mark.parametrize(
    ("state", "more", "again"),
    [
        (State.CLAIMED, CLAIM, None),
        (State.DISPATCHED, {}, None),
        (State.COMPLETED, {}, None),
        (State.COMPLETED, {"delivered": False}, None),
        (State.UNKNOWN, {}, Again.UNKNOWN),
        (State.PARKED, {}, Again.UNKNOWN),
    ],
)
def test_fresh_key(state: State, more: dict[str, Any], again: Again | None) -> None:
    """An equal write under a fresh key is meant anew, unless nobody knows how the first one ended."""
    for used in (None, "k-1"):
        facts = known(first(state, key=used, **more))
        if again is None:
            allow(EVERYTHING, issue("k-2"), facts)
        else:
            assert repeat(EVERYTHING, issue("k-2"), again, facts) == "01FIRST"


@pytest.mark.parametrize(("agent", "api"), [("cashier", "shop"), ("clerk", "annexe")])
@pytest.mark.parametrize("state", [State.DISPATCHED, State.UNKNOWN, State.COMPLETED])
def test_scope(agent: str, api: str, state: State) -> None:
    """Nobody is answered from another agent's write, or from one at another API account, whatever key is guessed."""
    theirs = write("issues/create", TITLE, key="k-1", id="01FIRST", agent=agent, api=api)
    facts = known(before(theirs, state, delivered=False))
    for key in (None, "k-1", "k-2"):
        allow(EVERYTHING, issue(key), facts)


def test_newest_counts() -> None:
    """Of several under one key the newest decides, and a claim that lapsed does not count."""
    old = before(issue("k-1", OTHER, id="01OLD"), State.COMPLETED, 600)
    new = before(issue("k-1", id="01NEW"), State.COMPLETED, 60)
    lapsed = before(issue("k-1", OTHER, id="01LAPSED"), State.CLAIMED, 30, **LAPSED)
    assert repeat(EVERYTHING, issue("k-1"), Again.REPLAY, known(old, new, lapsed)) == "01NEW"


def test_doubt_before_flight() -> None:
    """Of equal writes the one in doubt answers, although another is under way."""
    flying = before(issue("k-2", id="01NEW"), State.DISPATCHED, 1)
    assert repeat(EVERYTHING, issue(), Again.UNKNOWN, known(first(State.UNKNOWN, 60), flying)) == "01FIRST"


def test_not_itself() -> None:
    """A call is no repeat of itself."""
    allow(EVERYTHING, issue("k-1"), known(before(issue("k-1"), State.DISPATCHED)))


# what changed since does not matter
@pytest.mark.parametrize(
    ("state", "again"),
    [(State.DISPATCHED, Again.JOIN), (State.UNKNOWN, Again.UNKNOWN), (State.COMPLETED, Again.REPLAY)],
)
def test_first_gate(state: State, again: Again) -> None:
    """A repeat is answered although writes are stopped, the card allows nothing and its money is beyond a limit."""
    asked = write("refunds.create", {"body.charge": "ch_1", "body.amount": 10_000}, key="k-1")
    facts = known(before(replace(asked, id="01FIRST"), state), stopped=True)
    for judged in (NOTHING, policy({"refunds.create": {"limit": {"amount": "0..1 USD"}}}), policy({"*": {}}, ("*",))):
        assert repeat(judged, asked, again, facts) == "01FIRST"
    deny(NOTHING, replace(asked, names=QUIET_NAMES), Reason.KILLED, "kill", facts)


QUIET_NAMES = Names(("f1:nothing",), "k:nothing")


# what stands beside a write in doubt that came just now: whose key it has, how it stands, and whether it overtook it
OVERTAKEN: list[tuple[str | None, State, dict[str, Any], bool]] = [
    ("k-1", State.COMPLETED, {"ended_at": AT + timedelta(seconds=1)}, True),
    ("k-1", State.DISPATCHED, {}, True),
    ("k-1", State.UNKNOWN, {"ended_at": None}, True),
    ("k-1", State.CLAIMED, LAPSED, False),
    ("k-1", State.COMPLETED, {"ended_at": AT}, False),
    ("k-1", State.COMPLETED, {"ended_at": AT + timedelta(seconds=1), "applied": False, "status": 422}, False),
    # under another key an equal one is meant
    ("k-2", State.COMPLETED, {"ended_at": AT + timedelta(seconds=1)}, False),
    (None, State.COMPLETED, {"ended_at": AT + timedelta(seconds=1)}, False),
]


@pytest.mark.parametrize(("key", "state", "more", "overtaken"), OVERTAKEN)
def test_overtaken(key: str | None, state: State, more: dict[str, Any], overtaken: bool) -> None:
    """A write is overtaken by whoever ended after it came, or has not ended, under its key or equal without one."""
    facts = known(first(state, key=key, **more))
    assert is_overtaken(issue("k-1"), facts) is overtaken
    if key is None:
        assert is_overtaken(issue(), facts) is not overtaken
    assert not is_overtaken(issue("k-1", id="01FIRST"), facts)


def test_overtaken_effect() -> None:
    """A write is overtaken by whoever had the same effect, under whatever key and as whoever."""
    refund = {"body.charge": "ch_1", "body.amount": 700}
    asked = write("refunds.create", refund, key="k-1")
    other = write("refunds.create", refund, key="k-2", id="01FIRST", agent="cashier")
    assert is_overtaken(asked, known(before(other, State.COMPLETED, ended_at=AT + timedelta(seconds=1))))


def test_reads_pass() -> None:
    """A read has no names and no gate of these asks about it, whatever is known."""
    asked = write("issues/list", {"path.owner": "o", "path.repo": "r"}, key="k-1")
    assert asked.names is None
    allow(EVERYTHING, asked, known(first(State.UNKNOWN, key="k-1")))


@pytest.mark.parametrize("version", [1, 2])
def test_versions(version: int) -> None:
    """A record that was made under an older version of the fingerprint still matches, under its key and without."""
    names = Names(("f2:new", "f1:old"), "k:1")
    stored = replace(first(State.COMPLETED), fingerprint=names.fingerprints[2 - version], key="k:1", delivered=False)
    asked = replace(call("issues/create"), names=names)
    facts = replace(QUIET, known=Known({"k:1": (stored,), stored.fingerprint: (stored,)}))
    assert repeat(EVERYTHING, asked, Again.REPLAY, facts) == "01FIRST"
    assert repeat(EVERYTHING, replace(asked, names=replace(names, key=None)), Again.REPLAY, facts) == "01FIRST"


def outcome(applied: Applied, status: int | None) -> Outcome:
    sent = Sent.NO if status is None and applied is Applied.NOT_APPLIED else Sent.YES
    return Outcome(applied, Health.OK, Retry.NEVER, sent, status)


KEPT = [400, 402, 404, 405, 410, 412, 413, 415, 418, 422, 499]
# after one of these the same key executes
FREED = [None, 301, 307, 308, 401, 403, 407, 408, 409, 425, 429, 501, 505]


@pytest.mark.parametrize(
    ("applied", "status", "state", "kept"),
    [
        *((Applied.APPLIED, status, State.COMPLETED, True) for status in (200, 201, 204, 303)),
        *((Applied.UNKNOWN, status, State.UNKNOWN, False) for status in (None, 302, 409, 500, 503)),
        *((Applied.NOT_APPLIED, status, State.COMPLETED, True) for status in KEPT),
        *((Applied.NOT_APPLIED, status, State.COMPLETED, False) for status in FREED),
    ],
)
def test_what_is_kept(applied: Applied, status: int | None, state: State, kept: bool) -> None:
    """What took effect and a definite no are kept, a doubt is one, and anything else leaves the key free."""
    ended = ended_by(outcome(applied, status), AT, "log#0/1/2/3", delivered=False)
    took_effect = {Applied.APPLIED: True, Applied.NOT_APPLIED: False, Applied.UNKNOWN: None}[applied]
    assert (ended.state, ended.applied, ended.keeps, ended.status) == (state, took_effect, kept, status)
    assert (ended.at, ended.place, ended.delivered) == (AT, "log#0/1/2/3", False)
