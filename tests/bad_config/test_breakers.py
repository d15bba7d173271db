"""Breakers that mean nothing, beside an API and on a card: every fault at its place, with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.shop import faults

ABOVE = "timeouts: {write_total: 20s}\n"
ACCOUNT = ABOVE + "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}, breaker: WRITTEN}\n"
CARD = (
    ABOVE + "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}}\n"
    "agents:\n  clerk: {purpose: Serve, environment: test, breaker: WRITTEN}\n"
)

# what is written, then every fault: part of its message, part of its hint
TABLE: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "nothing": ("{}", []),
    "off": ("false", []),
    "off in quotes": ("'off'", []),
    "all of it": ("{enabled: true, errors: 0.25%, over: 10m, slow: 5s, act: watch}", []),
    "four decimals": ("{errors: 0.0001%}", []),
    "the longest and nearly all": ("{errors: 99.9999%, over: 1h}", []),
    "off in letters": ("off", [("some readers of YAML take `off` for a boolean", "write `false`")]),
    "on": ("true", [("a mapping, or `false`", "leave it out")]),
    "null": ("null", [("a mapping, or `false`", "leave it out")]),
    "text": ("strict", [("a mapping, or `false`", "leave it out")]),
    "unknown member": ("{error: 0.5%}", [("`error` is unknown here", "`errors`")]),
    "share without a sign": ("{errors: 0.5}", [("a share in percent", "`0.5%`")]),
    "share as a count": ("{errors: 5}", [("a share in percent", "`5%`")]),
    "share as it is kept": ("{errors: 5000}", [("a share in percent", "with its sign: `0.5%`")]),
    "share in text": ("{errors: half}", [("`half` is not a share", "`0.5%`")]),
    "share of a share": ("{errors: '0.00001%'}", [("`0.00001%` is not a share", "`0.5%`")]),
    "share of nothing": ("{errors: 0%}", [("a share of nothing", "`breaker: false`")]),
    "all may fail": ("{errors: 100%}", [("`100%` is not a share", "`0.5%`")]),
    "less than nothing": ("{errors: '-1%'}", [("`-1%` is not a share", "`0.5%`")]),
    "no window": ("{over: 59s}", [("a minute at least", "`5m`")]),
    "half a day": ("{over: 12h}", [("an hour at most", "`5m`")]),
    "slow at once": ("{slow: 0s}", [("more than nothing", "1ms")]),
    "never slow": ("{slow: 20s}", [("nothing takes longer: `timeouts.write_total` is 20s", "write less")]),
    "another act": ("{act: block}", [("`block` is not one of its values", "suggest, watch")]),
    "several": (
        "{errors: 1, act: halt}",
        [("a share in percent", "`1%`"), ("not one of its values", "suggest, watch")],
    ),
}


@pytest.mark.parametrize("where", [ACCOUNT, CARD], ids=["account", "card"])
@pytest.mark.parametrize("name", TABLE)
def test_breakers(name: str, where: str, tmp_path: Path) -> None:
    """What is no threshold is refused in its line, with what it should be."""
    written, expected = TABLE[name]
    path = tmp_path / "breakwater.yaml"
    path.write_text(where.replace("WRITTEN", written))
    found = faults(path)
    assert [fault.line for fault in found] == [where.count("\n")] * len(expected)
    for fault, (part, of_hint) in zip(found, expected, strict=True):
        assert part in fault.message
        assert of_hint in fault.hint
