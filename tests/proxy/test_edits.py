"""An approver's edits: what is set, what cannot be, and how far it leads from what the agent sent."""

from __future__ import annotations

import pytest

from breakers.call import Body, Form, Json, Opaque, Request
from proxy.edits import distance, edited
from proxy.errors import StartRefused

FORM = Form((("charge", "ch_1"), ("amount", "1000"), ("metadata[order]", "7"), ("expand", "a"), ("expand", "b")))
JSON = Json({"title": "Broken", "labels": ["a", "b"], "count": 3, "open": True, "who": {"name": "ada"}, "due": None})


def request(body: Body = None) -> Request:
    return Request("api", "POST", ("v1", "refunds"), (("limit", "3"),), media_type="application/json", body=body)


# What is edited, how, what it becomes, and how many leaves of how many differ then.
EDITS: list[tuple[Body, list[str], Body, tuple[int, int]]] = [
    (FORM, ["body.amount=500"], Form((("charge", "ch_1"), ("amount", "500"), *FORM.pairs[2:])), (1, 8)),
    (FORM, ["body.metadata.order=8"], Form((*FORM.pairs[:2], ("metadata[order]", "8"), *FORM.pairs[3:])), (1, 8)),
    (FORM, ["body.metadata[order]=8"], Form((*FORM.pairs[:2], ("metadata[order]", "8"), *FORM.pairs[3:])), (1, 8)),
    (FORM, ["body.reason=fraud"], Form((*FORM.pairs, ("reason", "fraud"))), (1, 9)),
    (JSON, ["body.title=Fixed"], Json({**JSON.value, "title": "Fixed"}), (1, 10)),  # type: ignore[dict-item]
    (JSON, ["body.title=5"], Json({**JSON.value, "title": "5"}), (1, 10)),  # type: ignore[dict-item]
    (JSON, ["body.count=5"], Json({**JSON.value, "count": 5}), (1, 10)),  # type: ignore[dict-item]
    (JSON, ["body.labels.1=c"], Json({**JSON.value, "labels": ["a", "c"]}), (1, 10)),  # type: ignore[dict-item]
    (JSON, ["body.who.name=eve"], Json({**JSON.value, "who": {"name": "eve"}}), (1, 10)),  # type: ignore[dict-item]
    (JSON, ["body.due=3", "body.open=false"], Json({**JSON.value, "due": 3, "open": False}), (2, 10)),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("body", "written", "becomes", "apart"), EDITS)
def test_edited(body: Body, written: list[str], becomes: Body, apart: tuple[int, int]) -> None:
    """A value is set where it is named, keeps its type, and only what was set differs."""
    after = edited(request(body), written)
    assert after.body == becomes
    found = distance(request(body), after)
    assert (found.changed, found.leaves) == apart


def test_query() -> None:
    """A query is edited as a form is."""
    assert edited(request(), ["query.limit=5"]).query == (("limit", "5"),)


REFUSED: list[tuple[Body, list[str], str]] = [
    (FORM, [], "one value at least"),
    (FORM, ["amount=5"], "is no edit"),
    (FORM, ["path.charge=ch_2"], "is no edit"),
    (FORM, ["body.amount"], "is no edit"),
    (FORM, ["body.amount=1000"], "says already"),
    (FORM, ["body.expand=c"], "2 times"),
    (JSON, ["body.count=many"], "another type"),
    (JSON, ["body.count=true"], "another type"),
    (JSON, ["body.open=1"], "another type"),
    (JSON, ["body.who=eve"], "another type"),
    (JSON, ["body.whom.name=eve"], "no place"),
    (JSON, ["body.labels.7=c"], "no place"),
    (Json([1]), ["body.0=2"], "cannot be edited"),
    (Opaque(b"x"), ["body.a=b"], "cannot be edited"),
    (None, ["body.a=b"], "cannot be edited"),
]


@pytest.mark.parametrize(("body", "written", "why"), REFUSED)
def test_no_edit(body: Body, written: list[str], why: str) -> None:
    """What is no edit, or would change what a value is, is refused in words."""
    with pytest.raises(StartRefused, match=why):
        edited(request(body), written)
