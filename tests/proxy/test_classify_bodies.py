"""Stage 3, where a body is no object with declared members: one whole value, or members that the caller makes up."""

from __future__ import annotations

import pytest

from breakers.call import Json, Operation
from breakers.verdict import Reason
from config.catalog import Argument, Content, Effect, Kind, OperationSpec, Place
from config.routes import Match
from proxy.classify import UNDECLARED_MAX, type_arguments
from tests.proxy.canonical.refusals import refused


def typed(
    value: object,
    arguments: dict[str, Kind],
    query: tuple[tuple[str, str], ...] = (),
    *,
    effect: Effect = Effect.IRREVERSIBLE,
    is_open: bool = False,
) -> Operation:
    """
    Type the arguments of a JSON body, on an operation that declares these, spelled `place.name`.
    """
    placed = [(Place(key.partition(".")[0]), key.partition(".")[2], kind) for key, kind in arguments.items()]
    declared = {(place, name): Argument(name, place, kind) for place, name, kind in placed}
    contents = {"application/json": Content.JSON}
    spec = OperationSpec("api", "x", "DELETE", "/x/{id}", "api", effect, contents, declared, open_body=is_open)
    return type_arguments(Match(spec), query, Json(value), "plain")


WHOLE = {"body.": Kind.ANY, "body.a": Kind.STRING}
ELSEWHERE = {"path.id": Kind.INTEGER, "query.force": Kind.BOOLEAN}


@pytest.mark.parametrize("value", [[1], "x", 1, None])
def test_whole_body(value: object) -> None:
    """A JSON body that is no object is one argument without a name, declared or not."""
    assert typed(value, {}, effect=Effect.WRITE).undeclared == ("body.",)
    assert typed(value, WHOLE).arguments == {(Place.BODY, ""): value}


def test_undeclared_whole_body() -> None:
    """Where being wrong costs most, a body that is no object is refused unless the operation declares one."""
    with refused(Reason.ARGUMENT_UNDECLARED):
        typed([1], {"body.a": Kind.STRING})


KINDS = [
    (Kind.ARRAY, [1], ()),
    (Kind.ARRAY, "x", ("body.",)),
    (Kind.STRING, "x", ()),
    (Kind.ANY, 1.5, ()),
]


@pytest.mark.parametrize(("kind", "sent", "mistyped"), KINDS)
def test_kind_of_whole_body(kind: Kind, sent: object, mistyped: tuple[str, ...]) -> None:
    """A declared whole body of another type is named, and keeps the form in which it came."""
    operation = typed(sent, {"body.": kind})
    assert (operation.arguments, operation.mistyped) == ({(Place.BODY, ""): sent}, mistyped)


@pytest.mark.parametrize("is_open", [False, True])
def test_nameless_member(is_open: bool) -> None:
    """An object's member without a name is never taken for the whole body."""
    with refused(Reason.ARGUMENT_UNDECLARED):
        typed({"": [1]}, {"body.": Kind.ANY}, is_open=is_open)


def test_open_body() -> None:
    """The members of an open body are arguments, however many the caller makes up."""
    members: dict[str, object] = {f"x{n}": [n] for n in range(UNDECLARED_MAX + 1)}
    operation = typed(members, ELSEWHERE, is_open=True)
    assert operation.arguments == {(Place.BODY, name): value for name, value in members.items()}
    assert operation.undeclared == ()


@pytest.mark.parametrize("name", ["id", "force", "_method"])
def test_open_body_steers(name: str) -> None:
    """A member of an open body that is declared elsewhere, or asks for another method, is refused all the same."""
    reason = Reason.BODY_MALFORMED if name == "_method" else Reason.ARGUMENT_UNDECLARED
    with refused(reason):
        typed({"fine": 1, name: "x"}, ELSEWHERE, is_open=True)


def test_open_body_query() -> None:
    """An open body opens nothing in the query."""
    with refused(Reason.ARGUMENT_UNDECLARED):
        typed({"fine": 1}, ELSEWHERE, (("more", "1"),), is_open=True)
