"""Overlays: what a person adds to a table, and every way in which it can fail to fit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.catalog import Amount, Effect, OperationSpec, Place, Reversibility
from config.faults import CatalogFault
from config.importing import import_document
from config.routes import Catalog
from config.table_file import write_table
from config.tables import BUNDLED, compile_catalog, load_catalog

TABLE: dict[str, Any] = {
    "name": "pets",
    "servers": {"api": "https://pets.example"},
    "operations": [
        {"name": "pets.get", "method": "GET", "path": "/v1/pets/{id}", "effect": "read"},
        {"name": "pets.list", "method": "GET", "path": "/v1/pets", "effect": "read"},
        {
            "name": "pets.sell",
            "method": "POST",
            "path": "/v1/pets/{id}/sell",
            "effect": "write",
            "arguments": {
                "path": {"id": "string"},
                "body": {"price": "integer", "currency": "string", "note": "string"},
            },
        },
        {"name": "pets.drop", "method": "DELETE", "path": "/v1/pets/{id}", "effect": "irreversible"},
        {"name": "pets.remove", "method": "DELETE", "path": "/v1/pets/{pet}", "effect": "irreversible"},
        {"name": "pets.split", "method": "GET", "path": "/v1/diff/{a}..{b}", "effect": "read"},
        {"name": "pets.whole", "method": "GET", "path": "/v1/diff/{ab}", "effect": "read"},
    ],
}  # fmt: skip
for row in TABLE["operations"]:
    names = [part.strip("{}") for part in row["path"].replace("..", "/").split("/") if "{" in part]
    row.setdefault("arguments", {"path": dict.fromkeys(names, "string")})


def compiled(operations: Any = None, **dialect: Any) -> Catalog:
    overlay = yaml.safe_dump({"dialect": dialect, "operations": operations or {}})
    return compile_catalog(json.dumps(TABLE).encode(), overlay.encode(), "pets.overlay.yaml")


def only(catalog: Catalog, name: str) -> OperationSpec:
    return catalog.named(name)[0]


SUBJECT = {"by": "id", "place": "path", "operation": "pets.get", "parameter": "id", "currency": "/currency"}


def test_curated() -> None:
    """What the overlay says of an operation is in it, and the rest is as the table has it."""
    said = {
        "effect": "irreversible",
        "amount": {"argument": "price", "currency": "currency"},
        "subjects": [SUBJECT | {"bound": ["+/price", "-/paid"], "query": {"expand[]": "owner"}}],
        "reversibility": "compensable",
        "never_store": ["chip.number"],
        "body_bytes_max": 4096,
        "note": "sold is sold",
    }
    spec = only(compiled({"pets.sell": said}, never_store=["secret"]), "pets.sell")
    assert (spec.effect, spec.reversibility) == (Effect.IRREVERSIBLE, Reversibility.COMPENSABLE)
    assert spec.amount == Amount("price", "currency", Place.BODY)
    assert [(subject.by, subject.place, subject.bound, subject.query) for subject in spec.subjects] == [
        ("id", Place.PATH, ((1, "/price"), (-1, "/paid")), (("expand[]", "owner"),))
    ]
    assert (spec.never_store, spec.body_bytes_max, spec.note) == (("secret", "chip.number"), 4096, "sold is sold")
    plain = only(compiled(), "pets.sell")
    assert (plain.effect, plain.amount, plain.subjects, plain.reversibility) == (Effect.WRITE, None, (), "unknown")


def test_key_rules() -> None:
    """The dialect says for which methods and paths keys are honoured, and the overlay may differ for one operation."""
    rules = [{"methods": ["POST", "DELETE"], "prefix": "/v1"}]
    catalog = compiled({"pets.drop": {"honours_key": False}}, honours_key=rules)
    honoured = {name for name, spec in catalog.operations.items() if spec.honours_key}
    assert honoured == {"pets.sell"}
    assert not any(spec.honours_key for spec in compiled().operations.values())


def test_aliases() -> None:
    """Templates that match the same paths, or that the overlay declares the same, are one route with every argument."""
    catalog = compiled({"pets.split": {"alias_of": "pets.whole"}, "pets.remove": {"never_store": ["x"]}})
    match = catalog.match("api", "DELETE", ("v1", "pets", "7"))
    assert match is not None
    assert match.spec.names == ("pets.drop", "pets.remove")
    assert match.path == {"id": "7", "pet": "7"}
    assert [spec.never_store for spec in catalog.named("pets.drop")] == [("x",), ("x",)]
    split = catalog.match("api", "GET", ("v1", "diff", "1..2"))
    assert split is not None
    assert (split.spec.names, split.path) == (("pets.split", "pets.whole"), {"a": "1", "b": "2", "ab": "1..2"})
    assert {name for _, name in split.spec.arguments} == {"a", "b", "ab"}


OPERATION_FAULTS = [
    ("pets.cell", {}, "no operation `pets.cell` did you mean `pets.sell`"),
    ("pets.sell", {"amount": {"argument": "prize"}}, "no body argument `prize` did you mean `price`"),
    ("pets.sell", {"amount": {"argument": "note"}}, "the amount `note` is no integer"),
    ("pets.sell", {"amount": {"argument": "price", "currency": "money"}}, "no body argument `money`"),
    ("pets.sell", {"amount": {"argument": "price", "place": "query"}}, "no query argument `price`"),
    ("pets.sell", {"subjects": [SUBJECT | {"by": "pet"}]}, "no path argument `pet`"),
    ("pets.sell", {"subjects": [SUBJECT | {"operation": "pets.git"}]}, "`pets.git` is no operation did you mean"),
    ("pets.sell", {"subjects": [SUBJECT | {"operation": "pets.drop"}]}, "is not a read"),
    ("pets.sell", {"subjects": [SUBJECT | {"operation": "pets.list"}]}, "not the one path parameter"),
    ("pets.sell", {"subjects": [SUBJECT | {"bound": ["/price"]}]}, "pets.overlay.yaml:"),
    ("pets.sell", {"alias_of": "pets.cell"}, "names no operation: `pets.cell`"),
    ("pets.sell", {"alias_of": "pets.get"}, "another base or method"),
    ("pets.sell", {"effect": "harmless"}, "operations.pets.sell.effect"),
    ("pets.sell", {"effects": "read"}, "operations.pets.sell.effects"),
    ("pets.sell", {"reversibility": "maybe"}, "operations.pets.sell.reversibility"),
    ("pets.sell", {"body_bytes_max": 2**26}, "operations.pets.sell.body_bytes_max"),
    ("pets.sell", {"never_store": ["a..b"]}, "operations.pets.sell.never_store"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "curated", "said"), OPERATION_FAULTS)
def test_operation_faults(name: str, curated: dict[str, Any], said: str) -> None:
    """A curated fact that fits no operation or argument is a fault that names it and what is nearest."""
    with pytest.raises(CatalogFault) as fault:
        compiled({name: curated})
    assert said in f"{fault.value.message} {fault.value.hint}"


def test_twice_curated() -> None:
    """Two names of one route cannot be curated apart."""
    with pytest.raises(CatalogFault, match=r"shares its route with `pets\.drop`"):
        compiled({"pets.drop": {"effect": "write"}, "pets.remove": {"effect": "read"}})


DIALECT_FAULTS = [
    ({"colour": "red"}, "dialect.colour"),
    ({"origins": {"api": "pets.example"}}, "dialect.origins.api"),
    ({"origins": {"api": "https://pets.example/v1"}}, "dialect.origins.api"),
    ({"credential": {"scheme": "digest"}}, "dialect.credential.scheme"),
    ({"style": "braces"}, "dialect.style"),
    ({"forward_headers": ["X Pet"]}, "dialect.forward_headers"),
    ({"path_aliases": [{"prefix": "v2", "means": "/v1"}]}, "dialect.path_aliases.0.prefix"),
    ({"path_aliases": [{"prefix": "/v1/diff", "means": "/v1/pets"}]}, "operations stand below it"),
    ({"throttled": [{"status": 403, "equals": "0"}]}, "`equals` needs"),
    ({"throttled": [{"status": 403, "pointer": "/code"}]}, "`pointer` goes with"),
    ({"exponents": {"usd": 2}}, "dialect.exponents"),
    ({"honours_key": [{"methods": ["GET"]}]}, "dialect.honours_key.0.methods"),
]


@pytest.mark.parametrize(("dialect", "said"), DIALECT_FAULTS)
def test_dialect_faults(dialect: dict[str, Any], said: str) -> None:
    """A dialect that cannot hold is a fault that names the member."""
    with pytest.raises(CatalogFault) as fault:
        compiled(**dialect)
    assert said in fault.value.message


TEXT_FAULTS = [
    (b"operations: {pets.sell: {}, pets.sell: {}}", "pets.overlay.yaml:1:"),
    (b"a: &a [*a]", "pets.overlay.yaml:1:"),
    (b"dialect:\n  style: braces\n", "pets.overlay.yaml:2:3: dialect.style"),
    (b"format: 2", "format"),
]


@pytest.mark.parametrize(("text", "said"), TEXT_FAULTS)
def test_text_faults(text: bytes, said: str) -> None:
    """A duplicate key, an alias, a wrong value and a newer format are faults at their place."""
    with pytest.raises(CatalogFault) as fault:
        compile_catalog(json.dumps(TABLE).encode(), text, "pets.overlay.yaml")
    assert said in fault.value.message


TABLE_FAULTS = [
    (b"{", "not a table of operations"),
    (b'{"format": 2, "name": "pets", "operations": []}', "format"),
    (json.dumps(TABLE | {"operations": TABLE["operations"][:1] * 2}).encode(), "two operations of one name"),
]


@pytest.mark.parametrize(("table", "said"), TABLE_FAULTS)
def test_table_faults(table: bytes, said: str) -> None:
    """A damaged table, one of a newer format and one with a name twice are refused."""
    with pytest.raises(CatalogFault) as fault:
        compile_catalog(table, b"")
    assert said in fault.value.message


def test_digest() -> None:
    """The digest covers the table and the overlay, so that a change of either shows."""
    table = json.dumps(TABLE).encode()
    digests = {
        compile_catalog(table, b"").digest,
        compile_catalog(table, b"format: 1").digest,
        compile_catalog(table + b" ", b"").digest,
    }
    assert len(digests) == 3
    assert compile_catalog(table, b"").digest in digests


def test_file_beside(tmp_path: Path) -> None:
    """A table is loaded by its path with the overlay beside it, and a missing file or name is one clear fault."""
    (tmp_path / "pets.table.json").write_text(json.dumps(TABLE))
    assert load_catalog("pets.table.json", tmp_path).dialect.title == "pets"
    (tmp_path / "pets.overlay.yaml").write_text("dialect: {title: Pet Shop}")
    assert load_catalog("pets.table.json", tmp_path).dialect.title == "Pet Shop"
    assert load_catalog("pets.table.json", tmp_path).dialect.origins == {"api": "https://pets.example"}
    for name, said in (
        ("nowhere.json", "cannot be read"),
        ("strip", "did you mean `stripe`"),
        ("pets", "no catalogue"),
    ):
        with pytest.raises(CatalogFault) as fault:
            load_catalog(name, tmp_path)
        assert said in f"{fault.value.message} {fault.value.hint}"


def test_documented_examples() -> None:
    """The examples of the documentation are read as they stand there, and come to what it says."""
    text = (Path(__file__).parents[2] / "docs" / "CATALOGUES.md").read_text(encoding="utf-8")
    listed, line = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    overlay = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    assert line.strip() in write_table(import_document(listed.encode())).splitlines()
    routes: dict[str, dict[str, str]] = {"pets.search": {}, "pets.call": {}}
    routes |= {"pets.sell": {"metadata": "object"}, "pets.refund": {"sale": "string"}}
    routes |= {"pets.update": {"name": "string", "tags": "array"}, "pets.subscribe": {}}
    rows = [
        {
            "name": name,
            "method": "POST",
            "path": f"/{name}",
            "effect": "write",
            "arguments": {"body": {"price": "integer", "currency": "string"} | more},
        }
        for name, more in routes.items()
    ]
    path = {"path": {"id": "string"}}
    rows.append({"name": "sales.retrieve", "method": "GET", "path": "/{id}", "effect": "read", "arguments": path})
    query = {"query": {"starting_after": "string", "limit": "integer", "currency": "string", "created": "object"}}
    rows.append({"name": "sales.list", "method": "GET", "path": "/sales", "effect": "read", "arguments": query})
    rows.append({"name": "me.retrieve", "method": "GET", "path": "/me/now", "effect": "read"})
    table = json.dumps({"name": "pets", "operations": rows}).encode()
    catalog = compile_catalog(table, overlay.encode(), "the example")
    assert catalog.dialect.title == "Pets"
    assert only(catalog, "pets.sell").find is not None
    assert only(catalog, "pets.refund").done == (("/status", ("refunded", "partly_refunded")),)
    assert only(catalog, "pets.call").unfound == "a call leaves nothing behind"
    assert only(catalog, "pets.call").moves_nothing
    assert only(catalog, "pets.update").harmless == {"name", "tags", "expand"}
    assert only(catalog, "pets.search").effect is Effect.READ


def test_stripe_keys() -> None:
    """Stripe honours a key on every POST of v1, on POST and DELETE of v2, and for nothing else."""
    for spec in load_catalog("stripe", Path()).operations.values():
        v1, v2 = spec.path.startswith("/v1/"), spec.path.startswith("/v2/") and spec.base == "api"
        expected = (v1 and spec.method == "POST") or (v2 and spec.method in {"POST", "DELETE"})
        assert spec.honours_key is expected, spec.name


def test_stripe_bodies() -> None:
    """Bodies are forms in v1, JSON in v2 and multipart for a file."""
    stripe = load_catalog("stripe", Path())
    shapes = {
        name: list(only(stripe, name).contents.values())
        for name in ("refunds.create", "v2.core.accounts.create", "files.create", "refunds.list")
    }
    assert shapes == {
        "refunds.create": ["form"],
        "v2.core.accounts.create": ["json"],
        "files.create": ["multipart"],
        "refunds.list": [],
    }


def test_origins() -> None:
    """Every base has an origin, but for Jira's, which each site must name."""
    assert {name: dict(load_catalog(name, Path()).dialect.origins) for name in BUNDLED} == {
        "github": {"api": "https://api.github.com", "uploads": "https://uploads.github.com"},
        "jira": {"api": None},
        "stripe": {
            "api": "https://api.stripe.com",
            "files": "https://files.stripe.com",
            "meter_events": "https://meter-events.stripe.com",
        },
    }
