"""The spelling of what stands in snapshots: every event, every field, whoever adds one, and the code that means it."""

from __future__ import annotations

import ast
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from importlib.abc import InspectLoader
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from breakers.store.events import Event, IntentEnded
from config.caps import Caps
from config.money import Money
from proxy.ledger.enveloped import Enveloped
from proxy.ledger.remembered import Remembered
from proxy.ledger.snapshot import FOLDED_BY, fold_version
from proxy.ledger.spelled import AS_IT_IS, fields_of, spelling_of
from proxy.ledger.views import Views
from tests.ledger.world import START
from tests.tidy.source import ROOT

EVENTS: tuple[type, ...] = get_args(Event)

CARRIED: tuple[tuple[type, frozenset[str]], ...] = (
    (Views, frozenset({"chains"})),
    (Remembered, frozenset({"since", "told", "enveloped"})),
    (Enveloped, frozenset({"since"})),
)

MONEY = st.builds(Money, st.integers(0, 10**9), st.sampled_from(["USD", "JPY"]))
SUMS = st.none() | st.lists(MONEY, min_size=1, max_size=2, unique_by=lambda one: one.currency).map(tuple)
COUNTS = st.none() | st.integers(0, 2**53)
CAPS = st.builds(Caps, moved=SUMS, paid=SUMS, calls=COUNTS, writes=COUNTS, alert=st.sampled_from([(), (1, 99), (50,)]))

PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=9),
    int: st.integers(0, 2**60),
    bool: st.booleans(),
    NoneType: st.none(),
    bytes: st.binary(max_size=9),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Any: st.sampled_from([None, 1, "text", [1, {"a": []}]]),
    Money: MONEY,
    Caps: CAPS,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, by its annotations."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if origin in (Union, UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*map(values, arguments))
    if origin in (tuple, list, deque, frozenset):
        return st.lists(values(arguments[0]), max_size=2).map(origin)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(*map(values, arguments), max_size=2)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    assert isinstance(kind, type)
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    return st.builds(kind, *(values(hints[field.name]) for field in fields(kind)))


def through(spelling: Any, value: Any) -> Any:
    said = orjson.loads(orjson.dumps(spelling.spell(value)))
    return spelling.read(said)


@pytest.mark.parametrize("kind", EVENTS)
@settings(max_examples=50)
@given(data=st.data())
def test_events(kind: type, data: st.DataObject) -> None:
    """Every event is read as it was spelled, and all of its fields are there."""
    value = data.draw(values(kind))
    spelling = spelling_of(Event)
    assert spelling.spell is not None
    name, row = spelling.spell(value)
    assert (name, len(row)) == (kind.__name__, len(fields(kind)))
    assert through(spelling, value) == value


@pytest.mark.parametrize(("kind", "but"), CARRIED)
@settings(max_examples=25)
@given(data=st.data())
def test_carried(kind: type, but: frozenset[str], data: st.DataObject) -> None:
    """Every field that is carried from segment to segment is put as it was, but those that stand elsewhere."""
    hints, spelling = get_type_hints(kind), fields_of(kind, but)
    assert set(spelling.names) == {field.name for field in fields(kind)} - but
    value, other = (kind(START) if kind is not Views else kind() for _ in range(2))
    for name in spelling.names:
        setattr(value, name, data.draw(values(hints[name]), name))
    spelling.put(other, orjson.loads(orjson.dumps(spelling.spell(value))))
    assert {name: getattr(other, name) for name in spelling.names} == {
        name: getattr(value, name) for name in spelling.names
    }


def test_zones() -> None:
    """A time of another zone is read as the same moment."""
    elsewhere = START.astimezone(timezone(timedelta(hours=-3)))
    assert through(spelling_of(datetime), elsewhere) == START


@pytest.mark.parametrize("kind", [float, complex, object, int | list[int], list[float], Any | IntentEnded])
def test_no_spelling(kind: Any) -> None:
    """A type that JSON does not say exactly, or not which, has no spelling."""
    with pytest.raises(TypeError, match="has no spelling"):
        spelling_of(kind)


def test_other_row() -> None:
    """A row that is longer or shorter than its type is none."""
    for row in ([], ["a"], ["a", 1, 2, 3]):
        with pytest.raises(ValueError, match="not the row"):
            spelling_of(Money).read(row)  # type: ignore[misc] # a dataclass has a way


def kinds(kind: Any) -> Iterator[type]:
    """Every class that a value of a type may hold."""
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
        for hint in get_type_hints(kind).values():
            yield from kinds(hint)
    elif isinstance(kind, type) and issubclass(kind, Enum | BaseModel):
        yield kind
    for argument in get_args(kind):
        yield from kinds(argument)


def test_of_this_code() -> None:
    """Every class in a snapshot is of a module whose text is part of the fold's version."""
    held = {one.__module__ for kind in (*EVENTS, *(kind for kind, _ in CARRIED)) for one in kinds(kind)}
    assert held - set(FOLDED_BY) == set()
    assert spelling_of(str | None) == AS_IT_IS


# What the fold uses of them says nothing about what follows from a record.
BESIDE = frozenset(
    {
        "breakers.facts", "breakers.noun", "breakers.verdict", "config.faults", "proxy.clock", "proxy.ledger.blobs",
        "proxy.ledger.disk", "proxy.ledger.keyring", "proxy.ledger.layout", "proxy.ledger.profile", "proxy.ledger.read",
        "proxy.ledger.tail",
    }
)  # fmt: skip


def test_all_of_the_fold() -> None:
    """Whatever the fold imports of ours is part of its version, or is known to say nothing that it would change."""
    for name in (one for one in FOLDED_BY if one.startswith("proxy.ledger.")):
        tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text("utf-8"))
        ours = {
            f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in sys.modules else node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module is not None
            for alias in node.names
        }
        assert {one for one in ours if one.startswith(("proxy", "breakers", "config"))} - {*FOLDED_BY, *BESIDE} == set()


def test_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fold's version is that of its text; where a text cannot be had there is none."""
    assert len(fold_version()) == 64
    spec = sys.modules["proxy.ledger.views"].__spec__
    assert spec is not None
    whole = (ROOT / "proxy/ledger/views.py").read_text("utf-8")

    class Other(InspectLoader):
        said: str | None = whole + "\n"

        def get_source(self, fullname: str) -> str | None:
            return self.said

    monkeypatch.setattr(spec, "loader", Other())
    assert fold_version.__wrapped__() not in {fold_version(), ""}
    Other.said = None
    assert fold_version.__wrapped__() == ""
