"""Drift and reviews that mean nothing, on a card and beside it: every fault at its place, with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.shop import faults

CARD = (
    "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}}\n"
    "agents:\n  clerk: {purpose: Serve, environment: test, WRITTEN}\n"
)
RULE = (
    "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}}\n"
    "agents:\n  clerk: {purpose: Serve, environment: test, allow: {shop: {'*': {WRITTEN}}}}\n"
)
RUBRIC = "reviews: {WRITTEN}\n"

# where, what is written, then every fault: part of its message, part of its hint
TABLE: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "drift off": (CARD, "drift: false", []),
    "drift in words": (CARD, "drift: {enabled: true, baseline: 28d, once_in: 90d, act: suggest}", []),
    "drift on": (CARD, "drift: true", [("a mapping, or `false`", "leave it out")]),
    "no days": (CARD, "drift: {baseline: 12h}", [("1 to 60 whole days", "`14d`")]),
    "half a day more": (CARD, "drift: {baseline: 36h}", [("1 to 60 whole days", "`14d`")]),
    "a year": (CARD, "drift: {baseline: 365d}", [("1 to 60 whole days", "`14d`")]),
    "all the time": (CARD, "drift: {once_in: 1h}", [("more than once a day", "`30d`")]),
    "another act": (CARD, "drift: {act: block}", [("`block` is not one of its values", "alarm, suggest")]),
    "a share": (CARD, "review: 2%", []),
    "all of it": (CARD, "review: 100%", []),
    "a small share": (CARD, "review: 0.0001%", []),
    "nothing of it": (CARD, "review: 0%", []),
    "a rule's share": (RULE, "review: 2.5%", []),
    "more than all": (CARD, "review: 101%", [("at most everything", "`100%`")]),
    "a share without a sign": (CARD, "review: 2", [("a share in percent", "`2%`")]),
    "a share in words": (RULE, "review: some", [("`some` is not a share", "`2%`")]),
    "a rubric": (RUBRIC, "rubric: {right: It was right.}", []),
    "no questions": (RUBRIC, "rubric: {}", [("one to 12 questions", "leave it out")]),
    "no name": (RUBRIC, "rubric: {Right One: It was right.}", [("`Right One` is not a name", "small letters")]),
}


@pytest.mark.parametrize("name", TABLE)
def test_looking_back(name: str, tmp_path: Path) -> None:
    """What is no share, no baseline and no rubric is refused in its line, with what it should be."""
    where, written, expected = TABLE[name]
    path = tmp_path / "breakwater.yaml"
    path.write_text(where.replace("WRITTEN", written))
    found = faults(path)
    assert [fault.line for fault in found] == [where.count("\n")] * len(expected)
    for fault, (part, of_hint) in zip(found, expected, strict=True):
        assert part in fault.message
        assert of_hint in fault.hint
