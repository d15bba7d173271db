"""Which changes were asked for: claims out of arguments, and every changed path in its place."""

from __future__ import annotations

from typing import Any

import pytest

from breakers.call import Operation
from config.catalog import NO_ARGUMENTS, After, Before, Content, Effect, ObjectSpec, OperationSpec, Place, Touch
from proxy.diff import patch
from proxy.paths import Foreseen, Paths, claimed_paths, foreseen, pointer, pointer_names, sort_paths

BODY, QUERY, PATH = Place.BODY, Place.QUERY, Place.PATH


@pytest.mark.parametrize(
    ("arguments", "claims", "claimed"),
    [
        ({(BODY, "title"): "x"}, {}, ["/issue/title"]),
        ({(BODY, "fields"): {"b": {"c": 1}, "a": None}}, {}, ["/issue/fields/a", "/issue/fields/b/c"]),
        ({(BODY, "fields"): {"b": {"c": 1}, "a": None}}, {"fields": "/f/*"}, ["/issue/f/a", "/issue/f/b"]),
        ({(BODY, "fields"): {}}, {"fields": "/f/*"}, []),
        ({(BODY, "labels"): ["a", {"b": 1}]}, {}, ["/issue/labels"]),
        ({(BODY, "metadata"): {}}, {}, ["/issue/metadata"]),
        ({(BODY, "a/b"): {"~": 1}}, {}, ["/issue/a~1b/~0"]),
        ({(BODY, "message"): "x"}, {"message": None}, []),
        ({(BODY, "milestone"): 3}, {"milestone": "/milestone/number"}, ["/issue/milestone/number"]),
        ({(BODY, "update"): {"labels": [1]}}, {"update": "/fields"}, ["/issue/fields/labels"]),
        ({(BODY, "fields"): {"a": 1}}, {"fields": ""}, ["/issue/a"]),
        ({(PATH, "title"): "x"}, {"title": "/title"}, []),
        ({(QUERY, "title"): "x"}, {}, []),
        ({(QUERY, "to"): "x"}, {"to": "/state"}, ["/issue/state"]),
        ({(QUERY, "a"): "x", (BODY, "a"): "x", (BODY, "b"): "x"}, {}, ["/issue/a", "/issue/b"]),
    ],
)
def test_claimed(arguments: Any, claims: Any, claimed: list[str]) -> None:
    """What the body says is claimed down to its leaves, a list as one; path and query claim nothing by themselves."""
    assert list(claimed_paths(arguments, "issue", claims)) == claimed


ISSUE: dict[str, Any] = {
    "title": "Old",
    "locked": False,
    "user": {"login": "a", "updated_at": 1},
    "comments": 1,
    "labels": [1],
}

# What the issue is afterwards, what was asked for, what changes by itself, and what becomes of it.
SORTED: tuple[tuple[Any, tuple[str, ...], tuple[str, ...], Paths], ...] = (
    ({**ISSUE, "title": "New"}, ("/issue/title",), (), Paths(requested=("/issue/title",))),
    ({**ISSUE, "title": "New"}, (), (), Paths(unexpected=("/issue/title",))),
    ({**ISSUE, "title": "New"}, (), ("title",), Paths(expected=("/issue/title",))),
    ({**ISSUE, "title": "New"}, ("/issue/title",), ("title",), Paths(requested=("/issue/title",))),
    # A name that only begins alike is another one.
    ({**ISSUE, "title": "New"}, ("/issue/tit",), (), Paths(unexpected=("/issue/title",), unseen=("/issue/tit",))),
    # Above and below.
    ({**ISSUE, "user": None}, ("/issue/user/login",), (), Paths(("/issue/user",), unseen=("/issue/user/login",))),
    ({**ISSUE, "user": {**ISSUE["user"], "login": 2}}, ("/issue/user",), (), Paths(("/issue/user/login",))),
    ({**ISSUE, "labels": [2]}, ("/issue/labels/0",), (), Paths(("/issue/labels",))),
    ({**ISSUE, "labels": []}, ("/issue/labels/0",), (), Paths(("/issue/labels",), unseen=("/issue/labels/0",))),
    # Expected at any depth, under a dotted name, and whatever lies in it; never the type itself.
    ({**ISSUE, "user": {"login": "a"}}, (), ("updated_at",), Paths(expected=("/issue/user/updated_at",))),
    ({**ISSUE, "user": {"login": "a"}}, (), ("user.updated_at",), Paths(expected=("/issue/user/updated_at",))),
    ({**ISSUE, "user": {"login": "a"}}, (), ("user",), Paths(expected=("/issue/user/updated_at",))),
    ({**ISSUE, "user": {"login": "a"}}, (), ("a.updated_at",), Paths(unexpected=("/issue/user/updated_at",))),
    ({**ISSUE, "title": "New"}, (), ("issue",), Paths(unexpected=("/issue/title",))),
    # Unseen: asked for, and not there; a member that is null is there, one that was removed is seen to be gone.
    (ISSUE, ("/issue/body",), (), Paths(unseen=("/issue/body",))),
    (ISSUE, ("/issue/title/x",), (), Paths(unseen=("/issue/title/x",))),
    (ISSUE, ("/issue/title",), (), Paths()),
    ({**ISSUE, "body": None}, ("/issue/body",), (), Paths(("/issue/body",))),
    ({n: v for n, v in ISSUE.items() if n != "user"}, ("/issue/user/login",), (), Paths(("/issue/user",))),
    # An update that made its object vanish was not asked to.
    (None, ("/issue/title",), (), Paths(unexpected=("/issue",), unseen=("/issue/title",))),
)


@pytest.mark.parametrize(("after", "claimed", "expected", "paths"), SORTED)
def test_sorted(after: Any, claimed: tuple[str, ...], expected: tuple[str, ...], paths: Paths) -> None:
    """Every changed path is requested, expected or unexpected, in this order of precedence."""
    known = Foreseen(claimed, {"issue": expected}, makes=frozenset({"issue"}))
    now = {"issue": after, "other": 1}
    assert sort_paths(patch({"issue": ISSUE, "other": 1}, now), known, now) == paths


@pytest.mark.parametrize(
    ("kind", "before", "after", "known", "paths"),
    [
        ("issue", None, {"title": "x"}, Foreseen(("/issue/title",), makes=frozenset({"issue"})), Paths(("/issue",))),
        ("issue", None, {"title": "x"}, Foreseen(makes=frozenset({"issue"})), Paths(("/issue",))),
        ("refund", None, {"id": "x"}, Foreseen(("/issue/title",)), Paths((), (), ("/refund",), ("/issue/title",))),
        ("issue", {"title": "x"}, None, Foreseen(("/issue/why",), removes=frozenset({"issue"})), Paths(("/issue",))),
        ("issue", {"title": "x"}, None, Foreseen(makes=frozenset({"issue"})), Paths(unexpected=("/issue",))),
    ],
)
def test_whole_objects(kind: str, before: Any, after: Any, known: Foreseen, paths: Paths) -> None:
    """That an object comes or goes is one change, requested of those that the operation makes or removes."""
    assert sort_paths(patch({kind: before}, {kind: after}), known, {kind: after}) == paths


def test_guards_change_nothing() -> None:
    """The guards of an inverse are no changes."""
    ops: list[Any] = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "absent", "path": "/b"},
        {"op": "remove", "path": "/a"},
    ]
    assert sort_paths(ops, Foreseen(), {}) == Paths(unexpected=("/a",))


@pytest.mark.parametrize("names", [(), ("",), ("a",), ("~1", "/", "~"), ("", "", "~01/")])
def test_pointers(names: tuple[str, ...]) -> None:
    """A pointer leads along the names that it was made of."""
    assert pointer_names(pointer(names)) == names


def touch(kind: str, before: Before, after: After, **more: Any) -> Touch:
    return Touch(ObjectSpec(kind, "read", ("id",), expected=more.pop("expected", ())), (), before, after, **more)


def operation(*touches: Touch) -> Operation:
    spec = OperationSpec(
        "a", "o", "POST", "/", "api", Effect.WRITE, {"*/*": Content.JSON}, NO_ARGUMENTS, touches=touches
    )
    return Operation(spec, {(BODY, "title"): "x", (BODY, "note"): "y"})


def test_foreseen() -> None:
    """The catalogue's touches say what is claimed of the main object, and what may come, go and change by itself."""
    known = foreseen(
        operation(
            touch("issue", Before.WANTED, After.READ, expected=("n",), claims=(("note", "/body"),)),
            touch("event", Before.NONE, After.READ),
            touch("label", Before.REQUIRED, After.GONE, expected=("m",)),
        )
    )
    assert known == Foreseen(
        claimed=("/issue/body", "/issue/title"),
        expected={"issue": ("n",), "event": (), "label": ("m",)},
        makes=frozenset({"issue", "event"}),
        removes=frozenset({"label"}),
    )
    assert foreseen(operation()) == Foreseen()
