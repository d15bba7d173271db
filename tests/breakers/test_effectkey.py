"""Effect keys as a table: the same business effect is one text, and another one is another."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from breakers.call import Operation, Part
from breakers.effectkey import effect_key
from config.catalog import Argument, Kind, Place
from config.tables import load_catalog
from tests.breakers.world import CATALOG

KINDS = {
    (Place.PATH, "number"): Kind.INTEGER,
    (Place.QUERY, "mode"): Kind.STRING,
    (Place.BODY, "a"): Kind.ANY,
    (Place.BODY, "b"): Kind.ANY,
}
ARGUMENTS = {key: Argument(key[1], key[0], kind) for key, kind in KINDS.items()}


def rendered(template: str, **said: object) -> str | None:
    spec = replace(CATALOG.operations["comments/create"], effect_key=template, arguments=ARGUMENTS)
    places = {name: place for place, name in KINDS}
    return effect_key(Operation(spec, {(places.get(name, Place.BODY), name): value for name, value in said.items()}))


@pytest.mark.parametrize(
    ("template", "said", "key"),
    [
        ("", {"a": 1}, None),
        ("x:{a}", {}, None),
        ("x:{a|b}:{mode}", {"other": 1}, None),
        ("x:{a}", {"a": "1"}, 'x:"1"'),
        ("x:{a}", {"a": 1}, "x:1"),
        ("x:{a}", {"a": True}, "x:true"),
        ("x:{a}", {"a": None}, "x:null"),
        ("x:{a}:{b}", {"b": 1}, "x:null:1"),
        ("x:{a}:{b}", {"a": "1:2"}, 'x:"1:2":null'),
        ("x:{a|b}", {"a": 1, "b": 2}, "x:1"),
        ("x:{a|b}", {"b": 2}, "x:2"),
        ("x:{a|b}", {"a": "", "b": 2}, "x:2"),
        ("x:{a|b}", {"a": None, "b": 2}, "x:2"),
        ("x:{a|b}", {"a": 0, "b": 2}, "x:0"),
        ("x:{a|b}", {"a": "", "b": None}, "x:null"),
        ("x:{a}:{b}", {"a": 1, "b": ""}, "x:1:null"),
        ("{a}{b}!", {"a": "é", "b": ["y", {"d": 1, "c": 2}]}, '"é"["y",{"c":2,"d":1}]!'),
        ("x:{number}", {"number": 7}, 'x:"7"'),
        ("x:{number}/{mode}", {"number": 7, "mode": "m"}, 'x:"7"/"m"'),
        ("x:{a!}:{mode}", {"mode": "m", "a": 1}, 'x:1:"m"'),
        ("x:{a|b!}:{mode}", {"mode": "m", "b": 1}, 'x:1:"m"'),
        ("x:{a|b!}:{mode}", {"mode": "m"}, None),
        ("x:{a|b!}:{mode}", {"mode": "m", "a": "", "b": None}, None),
        ("x:{a}", {"a": Decimal("1.50")}, "x:1.5"),
        ("x:{a}", {"a": Decimal("1E+3")}, "x:1000"),
        ("x:{a}", {"a": Decimal("1.0")}, "x:1"),
        ("x:{a}", {"a": Decimal("-0.0")}, "x:0"),
    ],
)
def test_rendered(template: str, said: dict[str, object], key: str | None) -> None:
    """Arguments stand as canonical JSON, of alternatives the first, and without any of them there is no key."""
    assert rendered(template, **said) == key


def test_files_by_digest() -> None:
    """A file counts by its content, whatever it is called."""
    one, other = Part("a", "x.png", "image/png", b"1"), Part("a", "y.png", None, b"1")
    assert rendered("x:{a}", a=one) == rendered("x:{a}", a=other)
    assert rendered("x:{a}", a=one) != rendered("x:{a}", a=replace(one, data=b"2"))


def test_currency_in_capitals() -> None:
    """The code of the currency that is moved is one code in any case, and no other text is."""
    spec = replace(CATALOG.operations["charges.create"], effect_key="charge:{amount}:{currency}")
    keys = {effect_key(Operation(spec, {(Place.BODY, "currency"): code})) for code in ("usd", "USD", "Usd")}
    assert keys == {'charge:null:"usd"'}
    assert rendered("x:{a}", a="USD") != rendered("x:{a}", a="usd")


def test_only_where_declared() -> None:
    """What stands where the operation does not declare it does not make the same effect another one."""
    spec = CATALOG.operations["refunds.create"]
    said: dict[tuple[Place, str], object] = {(Place.BODY, "charge"): "ch_1", (Place.BODY, "amount"): 5}
    plain, decorated = (Operation(spec, some) for some in (said, said | {(Place.QUERY, "charge"): "x"}))
    assert effect_key(plain) == effect_key(decorated) == 'refund:"ch_1":5'


def test_in_two_places() -> None:
    """Of an argument that is declared in two places the first in which it stands counts, even where it is empty."""
    arguments = ARGUMENTS | {(Place.QUERY, "a"): Argument("a", Place.QUERY, Kind.ANY)}
    spec = replace(CATALOG.operations["comments/create"], effect_key="x:{a|b}:{mode}", arguments=arguments)
    said: list[dict[tuple[Place, str], object]] = [{(Place.QUERY, "a"): one, (Place.BODY, "a"): 2} for one in (1, "")]
    said += [some | {(Place.BODY, "b"): 3} for some in said]
    keys = [effect_key(Operation(spec, some)) for some in said]
    assert keys == ["x:1:null", "x:null:null", "x:1:null", "x:3:null"]


def test_bundled() -> None:
    """Every effect key of the bundled catalogues renders from the arguments that it names."""
    for api in ("stripe", "github", "jira"):
        for spec in load_catalog(api, Path()).operations.values():
            values = {key: "x" if key[0] is Place.PATH else 1 for key in spec.arguments}
            key = effect_key(Operation(spec, values))
            assert (key is None) is (not spec.effect_key)
            assert key is None or not {"{", "}"} & set(key)
