"""Stage 3: the operation of a request, and its typed arguments."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Body, Form, Json, Multipart, Opaque, Operation, Part
from breakers.verdict import Reason
from config.catalog import Amount, Argument, Content, Effect, Kind, OperationSpec, Place
from config.dialect import Dialect, RefusedPath
from config.routes import Catalog, Match
from proxy.canonical.target import parse_target
from proxy.classify import UNDECLARED_MAX, classify, type_arguments
from proxy.errors import Refused
from tests.proxy.canonical.refusals import refused

CONTENTS = {
    "application/x-www-form-urlencoded": Content.FORM,
    "application/json": Content.JSON,
}
KINDS = {"s": Kind.STRING, "i": Kind.INTEGER, "n": Kind.NUMBER, "b": Kind.BOOLEAN, "l": Kind.ARRAY, "o": Kind.OBJECT}


def spec(
    effect: Effect = Effect.WRITE, amount: Amount | None = None, query: Mapping[str, Kind] | None = None
) -> OperationSpec:
    """
    Declare an operation with one body argument of each kind, named by its first letter, `any`, and a path argument.
    """
    body = {**KINDS, "any": Kind.ANY}
    arguments = [Argument("id", Place.PATH, Kind.INTEGER)]
    arguments += [Argument(name, Place.BODY, kind) for name, kind in body.items()]
    arguments += [Argument(name, Place.QUERY, kind) for name, kind in (query or {}).items()]
    declared = {(argument.place, argument.name): argument for argument in arguments}
    return OperationSpec(
        "api", "things.update", "POST", "/things/{id}", "api", effect, CONTENTS, declared, amount=amount
    )


def typed(
    body: Body = None,
    query: tuple[tuple[str, str], ...] = (),
    *,
    style: str = "bracket",
    path: Mapping[str, str] | None = None,
    operation: OperationSpec | None = None,
) -> Operation:
    """
    Type a request's arguments.
    """
    return type_arguments(Match(operation or spec(), path or {}), query, body, style)


def form(text: str) -> Form:
    """
    Read `name=value` pairs that spaces separate.
    """
    return Form(tuple((name, value) for name, _, value in (pair.partition("=") for pair in text.split())))


TEXTS: list[tuple[str, str, object]] = [
    ("s=100", "s", "100"),
    ("s=", "s", ""),
    ("i=100", "i", 100),
    ("i=-1", "i", -1),
    ("i=0", "i", 0),
    ("i=9223372036854775807", "i", 2**63 - 1),
    ("n=100", "n", 100),
    ("n=-0.50", "n", Decimal("-0.50")),
    ("b=true", "b", True),
    ("b=false", "b", False),
    ("l[]=1", "l", ["1"]),
    ("l[0]=1 l[1]=2", "l", ["1", "2"]),
    ("o[a]=1", "o", {"a": "1"}),
    ("any=1", "any", "1"),
    ("any[a]=1", "any", {"a": "1"}),
]

# Another spelling or another type: kept as it came, and named.
MISTYPED_TEXTS: list[tuple[str, str, object]] = [
    (f"i={text}", "i", text)
    for text in ("-0", "+1", "01", "1.0", "1e2", "1_0", "0x1", "٣", "", "now", "9223372036854775808", "9" * 30, "true")
]
MISTYPED_TEXTS += [(f"n={text}", "n", text) for text in ("-0", "1.", ".5", "1e2", "NaN", "inf", "1." + "0" * 19, "")]
MISTYPED_TEXTS += [(f"b={text}", "b", text) for text in ("1", "True", "yes", "")]
MISTYPED_TEXTS += [
    ("s[a]=1", "s", {"a": "1"}),
    ("i[]=1", "i", ["1"]),
    ("l=1", "l", "1"),
    ("l[a]=1", "l", {"a": "1"}),
    ("o=", "o", ""),
    ("o[]=1", "o", ["1"]),
]


@pytest.mark.parametrize(("text", "name", "value"), TEXTS)
def test_text_types(text: str, name: str, value: object) -> None:
    """Text in its one plain spelling becomes its declared type."""
    operation = typed(form(text))
    assert operation.arguments == {(Place.BODY, name): value}
    assert type(operation.arguments[Place.BODY, name]) is type(value)
    assert operation.mistyped == ()


@pytest.mark.parametrize(("text", "name", "value"), MISTYPED_TEXTS)
def test_mistyped_text(text: str, name: str, value: object) -> None:
    """Any other text stays as it came and is named."""
    operation = typed(form(text))
    assert operation.arguments == {(Place.BODY, name): value}
    assert operation.mistyped == (f"body.{name}",)


JSON_TYPES: list[tuple[str, object, object]] = [
    ("s", "x", "x"),
    ("i", 100, 100),
    ("i", -(2**63), -(2**63)),
    ("n", 100, 100),
    ("n", 0.1, Decimal("0.1")),
    ("n", 1e300, Decimal("1e300")),
    ("b", True, True),
    ("l", [1], [1]),
    ("o", {"a": 1}, {"a": 1}),
    ("any", None, None),
]

# B16: for an amount, each of these is a strict type refusal later.
MISTYPED_JSON: list[tuple[str, object]] = [
    ("i", 100.0),
    ("i", -0.0),
    ("i", "100"),
    ("i", True),
    ("i", None),
    ("i", 2**63),
    ("i", [100]),
    ("n", "1"),
    ("n", False),
    ("s", 1),
    ("s", None),
    ("b", 1),
    ("b", "true"),
    ("l", {}),
    ("l", "x"),
    ("o", []),
]


@pytest.mark.parametrize(("name", "value", "expected"), JSON_TYPES)
def test_json_types(name: str, value: object, expected: object) -> None:
    """A JSON value of the declared type is that, a number with a fraction the decimal that is sent."""
    operation = typed(Json({name: value}))
    assert operation.arguments == {(Place.BODY, name): expected}
    assert type(operation.arguments[Place.BODY, name]) is type(expected)
    assert operation.mistyped == ()


@pytest.mark.parametrize(("name", "value"), MISTYPED_JSON)
def test_mistyped_json(name: str, value: object) -> None:
    """A JSON value of another type stays as it came and is named."""
    operation = typed(Json({name: value}))
    assert operation.arguments[Place.BODY, name] is value
    assert operation.mistyped == (f"body.{name}",)


def test_places() -> None:
    """Arguments of the path, the query and the body are kept apart."""
    operation = typed(form("i=3"), (("i", "2"),), path={"id": "1"}, operation=spec(query={"i": Kind.INTEGER}))
    assert operation.arguments == {(Place.PATH, "id"): 1, (Place.QUERY, "i"): 2, (Place.BODY, "i"): 3}


def test_mistyped_path() -> None:
    """A path argument of another type is named too."""
    operation = typed(path={"id": "latest"})
    assert (operation.arguments, operation.mistyped) == ({(Place.PATH, "id"): "latest"}, ("path.id",))


def test_plain_arrays() -> None:
    """In the plain style a declared array repeats its name, and standing once is a list of one."""
    operation = spec(Effect.READ, query={"labels": Kind.ARRAY, "q": Kind.STRING})
    once = typed(None, (("labels", "a"), ("q", "x")), style="plain", operation=operation)
    twice = typed(None, (("labels", "a"), ("labels", "b")), style="plain", operation=operation)
    assert once.arguments == {(Place.QUERY, "labels"): ["a"], (Place.QUERY, "q"): "x"}
    assert twice.arguments == {(Place.QUERY, "labels"): ["a", "b"]}


@pytest.mark.parametrize("style", ["bracket", "plain"])
@pytest.mark.parametrize("name", ["q", "unknown"])
def test_query_duplicates(style: str, name: str) -> None:
    """An argument that is no array, declared or not, is given once."""
    with refused(Reason.QUERY_MALFORMED):
        typed(None, ((name, "a"), (name, "b")), style=style, operation=spec(Effect.READ, query={"q": Kind.STRING}))


@pytest.mark.parametrize("text", ["i=1 i=1000", "i=1 I=2", "i=1 i[]=2"])
def test_form_duplicates(text: str) -> None:
    """An amount that two parsers would read differently is refused."""
    with refused(Reason.BODY_MALFORMED):
        typed(form(text))


def test_undeclared_is_named() -> None:
    """On an ordinary write what is not declared is named, by its top-level name, and is no argument."""
    operation = typed(form("x[a]=1 x[b]=2 s=1"), (("y", "1"),))
    assert operation.undeclared == ("query.y", "body.x")
    assert operation.arguments == {(Place.BODY, "s"): "1"}


def test_undeclared_is_escaped() -> None:
    """A name that nobody declared is repeated escaped and short."""
    operation = typed(Json({"é\n" + "a" * 500: 1}))
    assert operation.undeclared == ("body.\\xe9\\n" + "a" * 62 + "...",)


MONEY = Amount("i", "s")


@pytest.mark.parametrize(
    "operation",
    [spec(amount=MONEY), spec(Effect.IRREVERSIBLE)],
    ids=["moves money", "irreversible"],
)
@pytest.mark.parametrize(
    ("body", "query"),
    [
        # B9, B22
        (form("i=1 transfer_data[destination]=acct_1"), ()),
        (form("Amount=1"), ()),
        (form("expand[]=a"), ()),
        (Json({"i": 1, "I": 1000}), ()),
        (Json([1]), ()),
        (form("i=1"), (("x", "1"),)),
    ],
)
def test_undeclared_where_it_costs(operation: OperationSpec, body: Body, query: tuple[tuple[str, str], ...]) -> None:
    """What moves money or cannot be undone takes nothing that it does not declare."""
    with refused(Reason.ARGUMENT_UNDECLARED):
        typed(body, query, operation=operation)


def test_body_argument_in_query() -> None:
    """A write's body argument does not stand in the query, where some servers read it as well."""
    with refused(Reason.ARGUMENT_UNDECLARED):
        typed(form("i=1"), (("i", "1000"),))
    assert typed(None, (("i", "1"),), operation=spec(Effect.READ)).undeclared == ("query.i",)


def test_many_undeclared() -> None:
    """More undeclared arguments than a rule could be asked about are refused."""
    members = {f"x{n}": n for n in range(UNDECLARED_MAX + 1)}
    with refused(Reason.ARGUMENT_UNDECLARED):
        typed(Json(members))
    members.popitem()
    assert len(typed(Json(members)).undeclared) == UNDECLARED_MAX


def test_many_mistyped() -> None:
    """However many arguments are mistyped, each is named: whoever reads one asks for its name."""
    kinds = {f"q{n}": Kind.INTEGER for n in range(200)}
    operation = typed(None, tuple((name, "x") for name in kinds), operation=spec(Effect.READ, query=kinds))
    assert operation.mistyped == tuple(f"query.{name}" for name in kinds)


@pytest.mark.parametrize("name", ["_method", "_METHOD", "X-HTTP-Method-Override", "_charset_"])
def test_override_in_json(name: str) -> None:
    """A JSON member that asks to be read as another method is refused."""
    with refused(Reason.BODY_MALFORMED):
        typed(Json({name: "DELETE"}))


def test_multipart() -> None:
    """Fields of a multipart body are typed like a form's, and a file is a string to its catalogue."""
    upload = Part("s", "x.png", "image/png", b"\xff")
    operation = typed(Multipart((Part("i", None, None, b"7"), Part("o[a]", None, None, b"1"), upload)))
    assert operation.arguments == {(Place.BODY, "i"): 7, (Place.BODY, "o"): {"a": "1"}, (Place.BODY, "s"): upload}
    assert operation.mistyped == ()


@pytest.mark.parametrize(("field", "file"), [("o[a]", "o"), ("s", "o[a]")])
def test_file_beside_field(field: str, file: str) -> None:
    """A file never stands where a field of the same name could be read."""
    with refused(Reason.BODY_MALFORMED):
        typed(Multipart((Part(field, None, None, b"1"), Part(file, "x", None, b"2"))))


def test_opaque() -> None:
    """Bytes that nobody reads have no arguments."""
    assert typed(Opaque(b"i=1")).arguments == {}


def test_file_is_no_number() -> None:
    """A file where a number is declared is mistyped."""
    assert typed(Multipart((Part("i", "x", None, b"1"),))).mistyped == ("body.i",)


CATALOG = Catalog.build(
    "api",
    Dialect(refused_paths=(RefusedPath(path="/graphql", because="GraphQL can be any operation."),)),
    [spec()],
    "digest",
)


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("POST", "/things"),
        ("POST", "/Things/1"),
        ("POST", "/things./1"),
        ("POST", "/things%20/1"),
        ("POST", "/things/1.json/x"),
        ("POST", "/"),
        # B31: another method of a known path
        ("GET", "/things/1"),
        ("HEAD", "/things/1"),
        ("DELETE", "/things/1"),
    ],
)
def test_unknown_operations(method: str, raw: str) -> None:
    """What is no operation of the API is refused as unknown."""
    with refused(Reason.OPERATION_UNKNOWN):
        classify(CATALOG, "api", method, parse_target(raw))


def test_unknown_base() -> None:
    """An operation of one base is unknown at another."""
    with refused(Reason.OPERATION_UNKNOWN):
        classify(CATALOG, "files", "POST", parse_target("/things/1"))


def test_refused_path() -> None:
    """A path that is refused on purpose says why."""
    with pytest.raises(Refused, match="GraphQL can be any operation") as caught:
        classify(CATALOG, "api", "POST", parse_target("/graphql"))
    assert caught.value.reason is Reason.OPERATION_UNKNOWN


def test_known_operation() -> None:
    """A known path is its operation, with its arguments decoded."""
    match = classify(CATALOG, "api", "POST", parse_target("/%74hings/a%2Fb"))
    assert (match.spec.name, match.path) == ("things.update", {"id": "a/b"})


VALUES = st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=4) | st.floats(allow_nan=False) | st.none()


@given(st.dictionaries(st.sampled_from([*KINDS, "any", "x"]), VALUES))
def test_json_loses_nothing(members: dict[str, object]) -> None:
    """Every member is an argument or undeclared, and an integer is one only where it came as one."""
    operation = typed(Json(members))
    named = {name for _, name in operation.arguments} | {shown.removeprefix("body.") for shown in operation.undeclared}
    assert named == members.keys()
    value = operation.arguments.get((Place.BODY, "i"))
    assert ("body.i" in operation.mistyped) == ("i" in members and type(value) is not int)
