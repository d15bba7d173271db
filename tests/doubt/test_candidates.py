"""Which of the things that a list shows a lost write has made: tables of lists, and what each proves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from breakers.call import Operation, Part
from config.catalog import Argument, Effect, Find, Kind, Listing, Marker, MarkerForm, OperationSpec, Place
from proxy.doubt.candidates import Sought, made_at, pick
from proxy.doubt.claims import Claim, claims_of, holds, tells_apart
from proxy.doubt.course import Found
from proxy.images import parse_image

ASKED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
INTENT = "01K9ZTQ6Q7T6GZ7E0M3V4R8XWB"
MARK = f"<!-- breakwater_call: {INTENT} -->"

FIND = Find(Listing("issues/list", (), (), ""), "/id", "/created_at", "/user/login", (), without=("/pull_request",))
SOUGHT = Sought(
    INTENT,
    FIND,
    since=ASKED - timedelta(seconds=60),
    over_at=ASKED + timedelta(seconds=62),
    claims=(Claim("/title", "Broken"), Claim("/body", "It is.")),
    who="bot",
)
TIMED = replace(SOUGHT, from_at=ASKED)
MARKED = replace(SOUGHT, marker=Marker("body", MarkerForm.COMMENT, "/body"))


def item(seconds: float = 1.0, **members: Any) -> dict[str, Any]:
    """
    Return an issue made so many seconds after the write was asked for.
    """
    made = (ASKED + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    plain = {"id": 1, "created_at": made, "user": {"login": "bot"}, "title": "Broken", "body": "It is."}
    return {**plain, **members}


def bears(seconds: float = 1.0, **members: Any) -> dict[str, Any]:
    """
    Return an issue that bears the intent's mark.
    """
    return item(seconds, **{"body": f"Something.\n\n{MARK}", **members})


# One row: what it is about, what is looked for, the items of the list, what they prove, of how many of them.
LISTS: tuple[tuple[str, Sought, list[dict[str, Any]], Found, int], ...] = (
    ("it is there", SOUGHT, [item()], Found.ONE, 1),
    ("an empty list", SOUGHT, [], Found.NONE, 0),
    ("made within the minute before", SOUGHT, [item(-60)], Found.ONE, 1),
    ("made before that minute", SOUGHT, [item(-61)], Found.NONE, 0),
    ("a pull request that matches", SOUGHT, [item(pull_request={"url": "x"})], Found.NONE, 0),
    ("an issue whose mark of a pull request is null", SOUGHT, [item(pull_request=None)], Found.ONE, 1),
    ("somebody else made the same", SOUGHT, [item(user={"login": "ada"})], Found.NONE, 0),
    ("two that are the same", SOUGHT, [item(), item(2, id=2)], Found.LIKE, 2),
    ("the same and another", SOUGHT, [item(), item(2, id=2, title="Other")], Found.ONE, 1),
    ("another of ours", SOUGHT, [item(title="Broken ")], Found.UNLIKE, 1),
    ("another of ours, of another type", SOUGHT, [item(title=1)], Found.UNLIKE, 1),
    ("an old one of ours that is another", SOUGHT, [item(-3600, title="Other")], Found.NONE, 0),
    ("an item without its maker", SOUGHT, [item(), item(id=2, user={})], Found.FAILED, 0),
    ("an item without its time", SOUGHT, [item(created_at=None)], Found.FAILED, 0),
    ("who we are is not known", replace(SOUGHT, who=None), [item()], Found.FAILED, 0),
    ("nothing was sent that shows", replace(SOUGHT, claims=()), [item()], Found.UNLIKE, 1),
    ("it bears the mark", MARKED, [bears(), item(id=2)], Found.ONE, 1),
    ("the mark is on nothing", MARKED, [item(), item(id=2)], Found.NONE, 0),
    ("the mark is another's", MARKED, [bears(user={"login": "ada"})], Found.NONE, 0),
    ("the mark is too old", MARKED, [bears(-61)], Found.NONE, 0),
    ("two bear the mark", MARKED, [bears(), bears(id=2)], Found.MANY, 2),
    ("a marked pull request", MARKED, [bears(pull_request={})], Found.NONE, 0),
    ("made before the write came", TIMED, [item(-6)], Found.LIKE, 1),
    ("made as it came, by a clock that is behind", TIMED, [item(-5)], Found.ONE, 1),
    ("made while it may have been under way", TIMED, [item(62 + 60)], Found.ONE, 1),
    ("made long after that", TIMED, [item(62 + 61)], Found.LIKE, 1),
    ("marked, and long after that", replace(MARKED, from_at=ASKED), [bears(62 + 61)], Found.ONE, 1),
    ("an equal one came just before", replace(SOUGHT, alone=False), [item()], Found.LIKE, 1),
    ("marked, and an equal one came just before", replace(MARKED, alone=False), [bears()], Found.ONE, 1),
    ("begun, and not done", replace(SOUGHT, done=(("/state", ("open",)),)), [item(state="new")], Found.UNLIKE, 1),
    ("done", replace(SOUGHT, done=(("/state", ("open",)),)), [item(state="open")], Found.ONE, 1),
    ("an old item whose maker is gone", SOUGHT, [item(), item(-3600, user=None)], Found.ONE, 1),
    ("the credential was changed", replace(SOUGHT, certain=False), [item(user={"login": "ada"})], Found.UNLIKE, 1),
    ("and nothing fits", replace(SOUGHT, certain=False), [item(user={"login": "ada"}, title="x")], Found.NONE, 0),
    ("marked under the former one", replace(MARKED, certain=False), [bears(user={"login": "ada"})], Found.UNLIKE, 1),
)


@pytest.mark.parametrize(
    ("sought", "items", "found", "count"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS]
)
def test_lists(sought: Sought, items: list[dict[str, Any]], found: Found, count: int) -> None:
    """A list proves what its row says."""
    picked = pick(items, sought)
    assert (picked.found, len(picked.items)) == (found, count)


def test_nobody_else_can() -> None:
    """Where nobody else can have made an item, nobody's identity is asked for."""
    sought = replace(SOUGHT, find=replace(FIND, creator=None), who=None)
    assert pick([item(user=None)], sought).found is Found.ONE


@pytest.mark.parametrize(("seconds", "later"), [(62, False), (63, True)])
def test_later(seconds: float, later: bool) -> None:
    """What was made after the write can have been shows that the list has caught up, whoever made it."""
    assert pick([item(seconds, user={"login": "ada"}, pull_request={})], SOUGHT).later == later


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-11-21T12:00:00Z", ASKED),
        ("2026-11-21T13:00:00.000+0100", ASKED),
        ("2026-11-21T12:00:00", ASKED),
        (1795262400, ASKED),
        (True, None),
        ("yesterday", None),
        (10**30, None),
        (None, None),
    ],
    ids=str,
)
def test_made_at(said: object, at: datetime | None) -> None:
    """An item's time is read in every spelling that the vendors have, and in no other."""
    assert made_at({"created_at": said}, FIND) == at


# One row: what was sent, what is shown in its place (as JSON), whether that is the same.
SHOWN: tuple[tuple[object, str, bool], ...] = (
    ("a", '"a"', True),
    (1, "1", True),
    (1, "1.0", False),
    (1, '"1"', False),
    (Decimal("1.0"), "1.0", True),
    (Decimal("1.0"), "1.00", False),
    (True, "true", True),
    (True, "1", False),
    (None, "null", True),
    ("", "null", True),
    (None, '""', True),
    (None, '"a"', False),
    ("a", "null", False),
    (0, "null", False),
    ("ch_1", '{"id": "ch_1", "object": "charge"}', True),
    ("ch_2", '{"id": "ch_1"}', False),
    ({"a": 1}, '{"a": 1, "b": 2}', True),
    ({"a": 1, "c": 3}, '{"a": 1, "b": 2}', False),
    ({"a": {"b": "x"}}, '{"a": {"b": "x", "c": 1}}', True),
    (["bug", "ops"], '[{"name": "ops"}, {"name": "bug"}]', True),
    (["bug"], '[{"name": "ops"}, {"name": "bug"}]', False),
    (["bug", "bug"], '[{"name": "bug"}, {"name": "ops"}]', False),
    ([], "[]", True),
    ("é", '"e\u0301"', False),
)


@pytest.mark.parametrize(("sent", "shown", "same"), SHOWN, ids=[f"{row[0]!r} and {row[1]}" for row in SHOWN])
def test_holds(sent: object, shown: str, same: bool) -> None:
    """What is shown is what was sent, or it is not, by type and to the last digit."""
    assert holds(parse_image(shown.encode()), sent) == same


def test_claims() -> None:
    """Each argument claims what its catalogue says, a member each where it says so; path, query and files nothing."""
    spec = OperationSpec("jira", "createIssue", "POST", "/issue", "api", Effect.WRITE, {}, {})
    arguments: dict[tuple[Place, str], object] = {
        (Place.PATH, "owner"): "acme",
        (Place.QUERY, "notify"): True,
        (Place.BODY, "title"): "Broken",
        (Place.BODY, "milestone"): 3,
        (Place.BODY, "quiet"): True,
        (Place.BODY, "fields"): {"a/b": 1.5, "c": [1]},
    }
    claims = claims_of(
        Operation(spec, arguments), {"milestone": "/milestone/number", "quiet": None, "fields": "/fields/*"}
    )
    assert {(claim.pointer, str(claim.value)) for claim in claims} == {
        ("/title", "Broken"),
        ("/milestone/number", "3"),
        ("/fields/a~1b", "1.5"),
        ("/fields/c", "[1]"),
    }
    assert all(claim.shown_by({"title": "Broken", "milestone": {"number": 3}}) for claim in claims[:2])


@pytest.mark.parametrize(("kind", "shown"), [(Kind.INTEGER, 7), (Kind.STRING, "7")])
def test_claim_of_the_path(kind: Kind, shown: object) -> None:
    """What stands in the path claims what its catalogue says, as the type that it is declared to be."""
    declared = Argument("comment_id", Place.PATH, kind)
    spec = OperationSpec(
        "github", "reply", "POST", "/", "api", Effect.WRITE, {}, {(Place.PATH, "comment_id"): declared}
    )
    operation = Operation(spec, {(Place.PATH, "comment_id"): "7"})
    (claim,) = claims_of(operation, {"comment_id": "/in_reply_to_id"})
    assert claim.shown_by({"in_reply_to_id": shown})
    assert claims_of(operation, {}) == ()


BODY = Place.BODY
# One row: what it is about, the effect key, what was sent in the body, what is shown nowhere, what was listed by.
APART: tuple[tuple[str, str, dict[str, object], tuple[str, ...], frozenset[tuple[str, str]], bool], ...] = (
    ("all of it is shown", "gist:{text}:{files}", {"text": "a", "files": "b"}, (), frozenset(), True),
    ("some of it is not", "gist:{text}:{files}", {"text": "a", "files": "b"}, ("files",), frozenset(), False),
    ("what is not shown was not sent", "gist:{text}:{files}", {"text": "a"}, ("files",), frozenset(), True),
    ("it was listed by that", "refund:{charge}", {"charge": "a"}, ("charge",), frozenset({(BODY, "charge")}), True),
    ("the first of two is shown", "pay:{who|card}", {"who": "a", "card": "b"}, ("card",), frozenset(), True),
    ("the one of two is not", "pay:{who|card}", {"card": "b"}, ("card",), frozenset(), False),
    ("something else is not", "pay:{who}", {"who": "a", "note": "b"}, ("note",), frozenset(), True),
    ("there is no effect key", "", {"title": "a", "note": "b"}, ("note",), frozenset(), True),
    ("a file", "", {"file": Part("file", "a.txt", "text/plain", b"a")}, (), frozenset(), False),
)


@pytest.mark.parametrize(
    ("effect", "sent", "nowhere", "listed", "apart"), [row[1:] for row in APART], ids=[row[0] for row in APART]
)
def test_tells_apart(
    effect: str, sent: dict[str, object], nowhere: tuple[str, ...], listed: frozenset[tuple[str, str]], apart: bool
) -> None:
    """An item tells whose it is only where it shows whatever makes the effect, as far as that was sent."""
    arguments = {(BODY, name): Argument(name, BODY, Kind.ANY) for name in ("text", "files", *sent)}
    spec = OperationSpec("shop", "make", "POST", "/", "api", Effect.WRITE, {}, arguments, effect_key=effect)
    operation = Operation(spec, {(BODY, name): value for name, value in sent.items()})
    assert tells_apart(operation, dict.fromkeys(nowhere), listed) is apart
