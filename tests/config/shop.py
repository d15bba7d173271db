"""A small catalogue of our own, and a configuration on it, for tests that change one thing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.catalog import Amount, Argument, Content, Effect, Kind, OperationSpec, Place
from config.dialect import Dialect
from config.faults import CatalogFault, ConfigurationFault, Fault
from config.load import Configuration, load
from config.routes import Catalog


def spec(name: str, route: str, declared: Mapping[str, Kind], base: str = "api", amount: str = "") -> OperationSpec:
    """
    Return an operation; arguments are spelled `place.name`.
    """
    method, path = route.split()
    arguments = {}
    for key, kind in declared.items():
        place, _, bare = key.partition(".")
        arguments[Place(place), bare] = Argument(bare, Place(place), kind)
    return OperationSpec(
        api="shop",
        name=name,
        method=method,
        path=path,
        base=base,
        effect=Effect.READ if method == "GET" else Effect.WRITE,
        contents={"application/json": Content.JSON},
        arguments=arguments,
        amount=Amount(amount) if amount else None,
    )


SPECS = (
    spec("charges.list", "GET /charges", {"query.limit": Kind.INTEGER}),
    spec("charges.retrieve", "GET /charges/{id}", {"path.id": Kind.STRING}),
    spec(
        "refunds.create",
        "POST /refunds",
        {
            "body.amount": Kind.INTEGER,
            "body.charge": Kind.STRING,
            "body.count": Kind.INTEGER,
            "body.ratio": Kind.NUMBER,
            "body.urgent": Kind.BOOLEAN,
            "body.labels": Kind.ARRAY,
            "body.extra": Kind.OBJECT,
            "body.either": Kind.ANY,
        },
        amount="amount",
    ),
    spec("refunds.move", "POST /refunds/{charge}/move", {"path.charge": Kind.INTEGER, "body.charge": Kind.STRING}),
    spec("files.create", "POST /files", {"body.purpose": Kind.STRING}, base="files"),
)

SHOP = Catalog.build(
    "shop",
    Dialect.model_validate(
        {
            "origins": {"api": "https://api.shop.example", "files": "https://files.shop.example"},
            "redirecting_headers": ["Shop-Account"],
        }
    ),
    SPECS,
    "a" * 64,
)
SITE = Catalog.build(
    "site",
    Dialect.model_validate({"origins": {"api": None}, "credential": {"scheme": "basic"}}),
    [spec("issues.get", "GET /issues/{id}", {"path.id": Kind.STRING})],
    "b" * 64,
)

GOOD = """\
apis:
  shop:
    catalog: shop
    credential: {env: SHOP_KEY}
agents:
  clerk:
    purpose: Serve customers
    environment: test
    allow:
      shop:
        charges.*: {}
"""


def open_catalog(name: str, _folder: Path) -> Catalog:
    """
    Return one of the two catalogues of these tests.
    """
    found = {"shop": SHOP, "site": SITE}.get(name)
    if found is None:
        raise CatalogFault(f"there is no catalogue `{name}`", "did you mean `shop`?")
    return found


def loaded(folder: Path, text: str) -> Configuration:
    """
    Load one file of this text.
    """
    (folder / "breakwater.yaml").write_text(text, encoding="utf-8")
    return load(folder / "breakwater.yaml", open_catalog)


def faults(path: Path) -> tuple[Fault, ...]:
    """
    Return the faults of the configuration at a path, none if it loads.
    """
    try:
        load(path, open_catalog)
    except ConfigurationFault as broken:
        return broken.faults
    return ()
