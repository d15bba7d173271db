"""What must be seen before it is written: which calls pass unseen, and which do not."""

from __future__ import annotations

import pytest

from breakers.decide import decide
from breakers.facts import Image
from breakers.touching import key_of
from breakers.verdict import Ask, Reason, Refuse
from config.catalog import Touch
from tests.breakers.test_bundled import asked, card
from tests.breakers.world import AT, QUIET

IN = {"owner": "acme", "repo": "docs"}
FILE = {**IN, "path": "a.md"}
SEEN, UNSEEN = None, Reason.BEFORE_MISSING
PUT_FILE, NEW_ITEM = "repos/create-or-update-file-contents", "invoice_items.create"


@pytest.mark.parametrize(
    ("api", "name", "arguments", "reason"),
    [
        # A branch that is not said is the default one; one that is said and names nothing is never taken for that.
        ("github", PUT_FILE, {**FILE, "branch": "next"}, SEEN),
        ("github", PUT_FILE, FILE, SEEN),
        ("github", PUT_FILE, {**FILE, "branch": None}, SEEN),
        ("github", PUT_FILE, {**FILE, "branch": ["next"]}, UNSEEN),
        ("github", PUT_FILE, {**FILE, "branch": ""}, UNSEEN),
        ("github", PUT_FILE, {**FILE, "branch": True}, UNSEEN),
        # What the write is about must be named.
        ("github", "repos/merge", {**IN, "base": "main", "head": "next"}, SEEN),
        ("github", "repos/merge", {**IN, "head": "next"}, UNSEEN),
        ("github", "repos/merge", {**IN, "base": {"ref": "main"}, "head": "next"}, UNSEEN),
        # Another object is only touched by a call that names it.
        ("stripe", NEW_ITEM, {"customer": "cus_1"}, SEEN),
        ("stripe", NEW_ITEM, {"customer": "cus_1", "invoice": "in_1"}, SEEN),
        ("stripe", NEW_ITEM, {"customer": "cus_1", "invoice": ["in_1"]}, UNSEEN),
        ("stripe", "refunds.create", {"charge": "ch_1"}, SEEN),
        ("stripe", "refunds.create", {"charge": ["ch_1"]}, UNSEEN),
    ],
)
def test_required(api: str, name: str, arguments: dict[str, object], reason: Reason | None) -> None:
    """Where images are required, no spelling of a call lets it pass without the image of what it would change."""
    call = asked(api, name, **arguments)
    strict, free = card({api: {name: {"before": "required"}}}), card({api: {name: {}}})
    verdict = decide(call, strict, QUIET)
    if isinstance(verdict, Ask):
        images = {read: Image(b"{}", AT) for read in verdict.reads if isinstance(read, Touch)}
        verdict = decide(call, strict, QUIET.with_looks({}, images))
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason
    assert not isinstance(decide(call, free, QUIET), Refuse)


@pytest.mark.parametrize("branch", [["next"], "", {}, False])
def test_no_other_object(branch: object) -> None:
    """A part of an object's name that says nothing is not left out, because the read would show another object."""
    (touch,) = asked("github", PUT_FILE, **FILE).operation.spec.touches
    assert key_of(touch, asked("github", PUT_FILE, **FILE, branch=branch).operation) is None
