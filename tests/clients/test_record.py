from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loadtest.upstreams.wiretap import Seen
from tests.clients.record import Proof, Record, proven

Records = list[dict[str, Any]]

THING = [{"type": "thing"}]
SEEN = [Seen("PATCH", "/things/a%20b", (), b""), Seen("GET", "/things/a%20b", (), b"")]


def made() -> Records:
    """
    Return what stands on record of one write and of the look after it.
    """
    asked = {"req": b'{"method": "PATCH", "segments": ["things", "a b"]}', "before": b'{"thing": {"size": 1}}'}
    change = {
        "after": b'{"thing": {"size": 2}}',
        "patch": b'[{"op": "replace", "path": "/thing/size", "value": 2}]',
        "inv": b'[{"op": "test", "path": "/thing/size", "value": 2}, '
        b'{"op": "replace", "path": "/thing/size", "value": 1}]',
    }
    one: dict[str, Any] = {"call": "01", "op": "things.update", "sent": "yes", "opened": {}}
    return [
        {**one, "k": "call.intent", "i": 0, "sent": None, "rw": "w", "touches": 1, "opened": asked},
        {**one, "k": "call.outcome", "i": 1, "intent": 0, "eff": "applied", "rid": "0001:"},
        {**one, "k": "call.look", "i": 2, "rid": "0002:"},
        {**one, "k": "change.recorded", "intent": 0, "outcome": 1, "sent": None, "res": THING, "opened": change},
    ]


def without(kind: str) -> Callable[[Records], None]:
    def change(records: Records) -> None:
        records[:] = [record for record in records if record["k"] != kind]

    return change


def twice(kind: str) -> Callable[[Records], None]:
    def change(records: Records) -> None:
        records += [record for record in records if record["k"] == kind]

    return change


def saying(at: int, **more: object) -> Callable[[Records], None]:
    return lambda records: records[at].update(more)


def opening(at: int, part: str, value: object) -> Callable[[Records], None]:
    return lambda records: records[at]["opened"].update({part: json.dumps(value).encode()})


WRONG: dict[str, Callable[[Records], None]] = {
    "a request that is not on record": without("call.look"),
    "a record of a request that nobody saw": saying(2, rid="0003:"),
    "two records of one request": twice("call.look"),
    "a record that names no request": saying(2, rid=None),
    "another method": opening(0, "req", {"method": "PUT", "segments": ["things", "a b"]}),
    "another path": opening(0, "req", {"method": "PATCH", "segments": ["things", "a", "b"]}),
    "a write on record as a read": saying(0, rw="r"),
    "two intents": twice("call.intent"),
    "no change": without("change.recorded"),
    "two changes": twice("change.recorded"),
    "a change of another write": saying(3, intent=7),
    "a change without its diff": lambda records: records[3]["opened"].pop("patch"),
    "a patch that leads elsewhere": opening(3, "patch", []),
    "an inverse that does not lead back": opening(3, "inv", [{"op": "replace", "path": "/thing/size", "value": 3}]),
    "an image of something else": opening(3, "after", {"other": {"size": 2}}),
}


def test_proven() -> None:
    """A record that tells of each request once, and of the write's change, is proven."""
    proof = proven(made(), SEEN)
    assert proof == Proof(frozenset({2}), 1, 1)


@pytest.mark.parametrize("wrong", WRONG)
def test_not_proven(wrong: str) -> None:
    """A record that tells of more, of less or of something else is not."""
    records: list[Record] = []
    held = made()
    WRONG[wrong](held)
    records += held
    with pytest.raises((AssertionError, ValueError, LookupError)):
        proven(records, SEEN)


def test_tried_again() -> None:
    """A read that was tried three times is three requests and one record, which says so; two tries prove nothing."""
    records = made()
    records[2] |= {"rid": "0004:", "tries": 3}
    seen = [SEEN[0], *[SEEN[1]] * 3]
    assert proven(records, seen).own == {2, 3, 4}
    with pytest.raises(AssertionError, match="not exactly once"):
        proven(records, [*seen[:2], SEEN[0], seen[3]])
    with pytest.raises(AssertionError, match="not exactly once"):
        proven(records, [*seen[:2], replace(seen[2], body=b"more"), seen[3]])


def test_no_object() -> None:
    """A write whose operation has no object is counted by its name, and must have no change."""
    records = made()
    del records[0]["touches"], records[3]
    assert proven(records, SEEN).objectless == {"things.update": 1}
