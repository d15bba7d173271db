"""Which writes an ailing upstream may be tried with: by their method, or as their overlay says."""

from __future__ import annotations

from typing import Any

import pytest

from breakers.errorrate import may_probe
from config.catalog import Effect
from config.faults import CatalogFault
from tests.config.test_catalog_overlay import compiled
from tests.config.test_overlays import CATALOGS


@pytest.mark.parametrize(
    ("name", "said", "is_safe"),
    [
        ("pets.sell", {}, False),
        ("pets.sell", {"probe_safe": True}, True),
        ("pets.drop", {"effect": "write"}, True),
        ("pets.drop", {"effect": "write", "probe_safe": False}, False),
        ("pets.drop", {"effect": "write", "effect_key": "pet:{id}"}, False),
        ("pets.drop", {"note": "gone for good"}, False),
        ("pets.get", {}, False),
    ],
)
def test_safe(name: str, said: dict[str, Any], is_safe: bool) -> None:
    """Twice is once where the method says so, unless the overlay knows better."""
    spec = next(one for one in compiled({name: said} if said else {}).named(name) if one.name == name)
    assert spec.probe_safe is is_safe
    assert may_probe(spec) is (is_safe or (spec.honours_key and spec.effect is Effect.WRITE))


@pytest.mark.parametrize(
    ("name", "said"),
    [("pets.get", {"probe_safe": True}), ("pets.drop", {"probe_safe": True})],
)
def test_nothing_to_try(name: str, said: dict[str, Any]) -> None:
    """What writes nothing, or cannot be undone, is no probe, and an overlay that says so is wrong."""
    with pytest.raises(CatalogFault, match="`probe_safe` is for writes that can be undone"):
        compiled({name: said})


@pytest.mark.parametrize(
    ("api", "name", "may"),
    [
        ("github", "issues/update", True),
        ("github", "issues/add-labels", True),
        ("github", "issues/set-labels", True),
        ("github", "issues/create", False),
        ("github", "issues/create-comment", False),
        ("github", "pulls/merge", False),
        ("github", "repos/delete", False),
        ("jira", "editIssue", False),
        ("jira", "assignIssue", True),
        ("jira", "createIssue", False),
        ("stripe", "customers.update", True),
        ("stripe", "refunds.create", False),
    ],
)
def test_bundled(api: str, name: str, may: bool) -> None:
    """An issue may be given its labels twice and its comment once; what honours a key may be tried, unless final."""
    assert may_probe(CATALOGS[api].operations[name]) is may


def test_no_irreversible() -> None:
    """Nothing that cannot be undone is ever a probe."""
    every = [spec for catalog in CATALOGS.values() for spec in catalog.operations.values()]
    assert not any(may_probe(spec) for spec in every if spec.effect is not Effect.WRITE)
