"""Rules about writes that bind none, or that ask for what no catalogue says how to do. Places count from 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config.catalog import Marker, MarkerForm
from config.faults import ConfigurationFault
from config.load import load
from config.routes import Catalog
from tests.config.shop import SHOP

MARKER = Marker("extra", MarkerForm.MEMBER, "/extra/breakwater_call")
MARKED = Catalog.build(
    "shop",
    SHOP.dialect,
    [replace(spec, marker=MARKER if spec.name == "refunds.create" else None) for spec in SHOP.operations.values()],
    "c" * 64,
)

# the rule, then every fault: column, part of the message, part of the hint
TABLE: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    "key of a read": (
        "charges.list: {require_key: true}",
        [(20, "`charges.list` writes nothing: `require_key` is for writes", "remove `require_key`")],
    ),
    "duplicates of reads": (
        "charges.*: {duplicates: agent}",
        [(17, "`charges.*` writes nothing: `duplicates` is for writes", "remove `duplicates`")],
    ),
    "all of them": (
        "charges.*: {marker: true, duplicates: approver, require_key: true}",
        [(17, "`marker` is", ""), (31, "`duplicates` is", ""), (53, "`require_key` is", "")],
    ),
    "mark of nothing": (
        "refunds.move: {marker: true}",
        [(20, "nothing says where a mark stands in what `refunds.move` makes", "in an overlay")],
    ),
    "mark of a glob": ("files.*: {marker: true}", [(15, "nothing that `files.*` matches can bear a mark", "overlay")]),
    "said and meant": ("'*': {require_key: true, duplicates: agent, marker: true}", []),
    "one of a glob": ("refunds.*: {marker: true}", []),
    "a mark by name": ("refunds.create: {marker: true}", []),
    "said and not meant": ("charges.list: {require_key: false, marker: false}", []),
    "word for a truth": (
        "refunds.create: {require_key: 'yes'}",
        [(35, "this must be true or false", "without quotes")],
    ),
    "truth for a word": (
        "refunds.create: {duplicates: true}",
        [(34, "this is not one of its values", "agent, approver")],
    ),
    "another person": (
        "refunds.create: {duplicates: nobody}",
        [(34, "`nobody` is not one of its values", "agent, approver")],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_writes(name: str, tmp_path: Path) -> None:
    """What is asked of writes is refused where it binds none, or where no mark can be made, at its place."""
    rule, expected = TABLE[name]
    path = tmp_path / "breakwater.yaml"
    path.write_text(
        "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}}\n"
        "agents:\n  clerk: {purpose: Serve, environment: test, allow: {shop: {\n"
        f"    {rule}\n    }}}}}}\n"
    )
    found: list[tuple[int, int, str, str]] = []
    try:
        load(path, lambda _name, _folder: MARKED)
    except ConfigurationFault as broken:
        found = [(fault.line, fault.column, fault.message, fault.hint) for fault in broken.faults]
    assert [(line, column) for line, column, _, _ in found] == [(5, column) for column, _, _ in expected]
    for (_, _, message, hint), (_, part, of_hint) in zip(found, expected, strict=True):
        assert part in message
        assert of_hint in hint
