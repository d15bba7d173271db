"""Doors, hosts and aliases that mean nothing, or that would get in each other's way. Places count from 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_config.test_meaning import APIS, Expected
from tests.config.shop import faults

SHARED = APIS + "shared: 127.0.0.1:81\n"
SHOP = "apis:\n  shop: {catalog: shop, credential: {env: A}, "

TABLE: dict[str, tuple[str, list[Expected]]] = {
    "one socket twice": (
        APIS + "doors: {shop: 'unix:a.sock', shop.files: 'unix:./x/../a.sock'}\n",
        [(3, 42, "is the address of door `shop` already", "its own path")],
    ),
    "the admin's socket": (
        "admin: unix:a.sock\nshared: unix:a.sock\n",
        [(2, 9, "unix:a.sock is the address of `admin` already", "its own path")],
    ),
    "long path": (f"admin: unix:{'x' * 120}\n", [(1, 8, "at most 106 bytes", "a shorter one")]),
    "no file": ("admin: unix:@admin\n", [(1, 8, "no owner and no mode", "path of a file")]),
    "upstream is a socket of ours": (
        SHOP + "upstream: 'unix:a.sock'}\nadmin: unix:a.sock\n",
        [(2, 57, "unix:a.sock is a door of this Breakwater", "where the API itself answers")],
    ),
    "hosts without a shared door": (
        APIS + "hosts: {shop.internal: shop}\n",
        [(3, 1, "there is none", "add `shared:`")],
    ),
    "host of no door": (SHARED + "hosts: {shop.internal: shpo}\n", [(4, 24, "`shpo` is no door", "`shop`")]),
    "host of another door": (
        SHARED + "hosts: {shop.localhost: shop.files}\n",
        [(4, 9, "`shop.localhost` is the host of door `shop`", "another host")],
    ),
    "host with a port": (SHARED + "hosts: {'shop.internal:80': shop}\n", [(4, 29, "is no host", "without a port")]),
    "alias of no base": (
        SHOP + "aliases: {fils: [https://a.example]}}\n",
        [(2, 57, "`fils` is no base of `shop`", "`files`")],
    ),
    "alias that is a door": (
        SHOP + "aliases: [https://a.example, http://127.0.0.1:81]}\nshared: 127.0.0.1:81\n",
        [(2, 76, "http://127.0.0.1:81 is a door of this Breakwater", "the API's answers name")],
    ),
    "alias with a path": (
        SHOP + "aliases: [https://a.example/v1]}\n",
        [(2, 56, "without a path", "`https://a.example`")],
    ),
    "one alias is no list": (SHOP + "aliases: https://a.example}\n", [(2, 56, "this must be a list", "[one, two]")]),
}


@pytest.mark.parametrize("name", TABLE)
def test_doors(name: str, tmp_path: Path) -> None:
    """Each has exactly these faults, at their places, with their fixes."""
    text, expected = TABLE[name]
    (tmp_path / "breakwater.yaml").write_text(text, encoding="utf-8")
    found = faults(tmp_path / "breakwater.yaml")
    for fault, (line, column, message, hint) in zip(found, expected, strict=True):
        assert (fault.line, fault.column) == (line, column)
        assert message in fault.message
        assert hint in fault.hint


def test_good(tmp_path: Path) -> None:
    """A host of its own name, a socket beside a port and an alias of every base have none."""
    text = SHOP + "aliases: [https://a.example]}\nshared: 127.0.0.1:81\n"
    text += "hosts: {shop.internal: shop.api, shop.localhost: shop}\ndoors: {shop: unix:a, shop.files: unix:b}\n"
    (tmp_path / "breakwater.yaml").write_text(text, encoding="utf-8")
    assert faults(tmp_path / "breakwater.yaml") == ()
