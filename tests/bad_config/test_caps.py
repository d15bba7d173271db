"""Caps, teams and prices that mean nothing: every fault at its place, with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.shop import faults

APIS = "apis:\n  shop: {catalog: shop, credential: {env: SHOP_KEY}"
CARD = "agents:\n  clerk: {purpose: Serve, environment: test, allow: {shop: {charges.*: {}}}"


def card(member: str) -> str:
    """
    Return a configuration whose line 4 ends in this member of a card, from column 79 on.
    """
    return f"{APIS}}}\n{CARD}, {member}}}\n"


def account(member: str) -> str:
    """
    Return a configuration whose line 2 ends in this member of an API account, from column 57 on.
    """
    return f"{APIS}, {member}}}\n"


Expected = tuple[int, str, str]

# text, then the line of each fault, part of its message, part of its hint
TABLE: dict[str, tuple[str, list[Expected]]] = {
    "no currency": (card("caps: {task: {moved: 200}}"), [(4, "has a currency", "`200 USD`")]),
    "no currency in text": (card("caps: {task: {moved: '200'}}"), [(4, "`200` has no currency", "0.50 USD")]),
    "unknown currency": (card("caps: {day: {paid: 5 Usd}}"), [(4, "`Usd` is not how a currency", "`USD`")]),
    "seven decimals": (card("caps: {day: {paid: 0.0000001 USD}}"), [(4, "more than six decimals", "round it")]),
    "negative": (card("caps: {day: {moved: -5 USD}}"), [(4, "not below zero", "`0 USD`")]),
    "beyond doubles": (card("caps: {day: {moved: 9007199254.740993 USD}}"), [(4, "beyond 2**53", "at most")]),
    "exponent": (card("caps: {day: {moved: 1e2 USD}}"), [(4, "`1e2` is not an amount", "write digits")]),
    "twice": (card("caps: {day: {moved: [5 USD, 6 USD]}}"), [(4, "capped twice", "one sum for each")]),
    "empty list": (card("caps: {day: {moved: []}}"), [(4, "caps nothing", "leave it out")]),
    "negative count": (card("caps: {task: {calls: -1}}"), [(4, "too little", "at least 0")]),
    "count beyond doubles": (card("caps: {task: {calls: 9007199254740993}}"), [(4, "too much", "at most")]),
    "fraction": (card("caps: {task: {writes: 1.5}}"), [(4, "whole number", "without quotes")]),
    "count in text": (card("caps: {task: {writes: '2'}}"), [(4, "whole number", "without quotes")]),
    "unknown period": (card("caps: {week: {calls: 1}}"), [(4, "`week` is unknown here", "known here")]),
    "unknown measure": (card("caps: {task: {write: 1}}"), [(4, "`write` is unknown here", "`writes`")]),
    "calls of one call": (card("caps: {call: {calls: 1}}"), [(4, "`calls` is unknown here", "known here")]),
    "alerts fall": (card("caps: {day: {calls: 5, alert: [80, 50]}}"), [(4, "rise", "[50, 80, 100]")]),
    "alert beyond": (card("caps: {day: {calls: 5, alert: [101]}}"), [(4, "from 1 to 100", "[50, 80, 100]")]),
    "alert of one": (card("caps: {day: {calls: 5, alert: 50}}"), [(4, "a list", "[50, 80, 100]")]),
    "no team": (card("team: sales"), [(4, "there is no team `sales`", "`teams`")]),
    "nearly a team": (card("team: sale") + "teams: {sales: {}}\n", [(4, "there is no team `sale`", "`sales`")]),
    "team of tasks": ("teams:\n  sales: {caps: {task: {calls: 1}}}\n", [(2, "`task` is unknown here", "known")]),
    "team in no zone": ("teams:\n  sales: {tz: Europe/Madird}\n", [(2, "no time zone", "`Europe/Madrid`")]),
    "team without a name": ("teams:\n  Sales: {}\n", [(2, "not a name", "small letters")]),
    "reserve of nothing": (
        card("caps: {}").replace("charges.*: {}", "charges.*: {unknown_cost: {}}"),
        [(4, "`reserve` is missing", "add `reserve:`")],
    ),
    "reserve of two": (
        card("caps: {}").replace("charges.*: {}", "charges.*: {unknown_cost: {reserve: [1 USD, 1 EUR]}}"),
        [(4, "one sum of money", "`5 USD`")],
    ),
    "price of nothing": (account("prices: {charges.list: {}}"), [(2, "what a call costs", "call: 0.001 USD")]),
    "price of no operation": (
        account("prices: {charge.list: {call: 1 USD}}"),
        [(2, "`charge.list` is no operation", "`charges.list`")],
    ),
    "glob of nothing": (account("prices: {'pets.*': {call: 1 USD}}"), [(2, "no operation of `shop`", "catalog show")]),
    "two currencies": (
        account("prices: {charges.list: {call: 1 USD}, charges.retrieve: {call: 1 EUR}}"),
        [(2, "prices in USD and in EUR", "in one currency")],
    ),
    "two currencies in one": (
        account("prices: {charges.list: {call: 1 USD, metered: [{answer: /n, each: 1 EUR, at_most: 1}]}}"),
        [(2, "in one currency", "the same one")],
    ),
    "no bound": (
        account("prices: {charges.list: {metered: [{answer: /n, each: 1 USD}]}}"),
        [(2, "`at_most` is missing", "add `at_most:`")],
    ),
    "bound by nothing": (
        account("prices: {refunds.create: {metered: [{answer: /n, each: 1 USD, at_most: body.amuont}]}}"),
        [(2, "no argument `body.amuont`", "`body.amount`")],
    ),
    "bound by text": (
        account("prices: {refunds.create: {metered: [{answer: /n, each: 1 USD, at_most: body.charge}]}}"),
        [(2, "`body.charge` of `refunds.create` is no number", "write a number")],
    ),
    "bound without a place": (
        account("prices: {refunds.create: {metered: [{answer: /n, each: 1 USD, at_most: amount}]}}"),
        [(2, "how many units", "`body.max_tokens`")],
    ),
    "no pointer": (
        account("prices: {charges.list: {metered: [{answer: usage.n, each: 1 USD, at_most: 1}]}}"),
        [(2, "a JSON pointer", "/usage/output_tokens")],
    ),
    "unknown in a meter": (
        account("prices: {charges.list: {metered: [{answer: /n, each: 1 USD, at_most: 1, pre: 5}]}}"),
        [(2, "`pre` is unknown here", "`per`")],
    ),
    "per nothing": (
        account("prices: {charges.list: {metered: [{answer: /n, each: 1 USD, at_most: 1, per: 0}]}}"),
        [(2, "too little", "at least 1")],
    ),
    "neither says more": (
        account("prices: {'charges.l*': {call: 1 USD}, 'charges.*t': {call: 2 USD}}"),
        [(2, "both price `charges.list`", "a price for `charges.list` itself")],
    ),
    "capped in another": (
        account("prices: {charges.list: {call: 1 USD}}") + CARD + ", caps: {task: {paid: 5 EUR}}}\n",
        [(4, "the prices of `shop` are in USD", "write a sum in USD")],
    ),
    "team capped in another": (
        account("prices: {charges.list: {call: 1 USD}}")
        + CARD
        + ", team: sales}\nteams:\n  sales: {caps: {hour: {calls: 1},\n    day: {paid: 5 EUR}}}\n",
        [(7, "the prices of `shop` are in USD", "write a sum in USD")],
    ),
    "team of others": (
        account("prices: {charges.list: {call: 1 USD}}")
        + CARD
        + ", team: support}\nteams:\n  sales: {caps: {day: {paid: 5 EUR}}}\n  support: {}\n",
        [],
    ),
    "account capped in another": (
        account("prices: {charges.list: {call: 1 USD}}, caps: {day: {paid: 5 EUR}}"),
        [(2, "the prices of `shop` are in USD", "write a sum in USD")],
    ),
    "account of tasks": (account("caps: {task: {calls: 1}}"), [(2, "`task` is unknown here", "known here")]),
}


@pytest.mark.parametrize("name", TABLE)
def test_caps(name: str, tmp_path: Path) -> None:
    """A cap, a team or a price that cannot mean what it says has exactly these faults, each with its fix."""
    text, expected = TABLE[name]
    path = tmp_path / "breakwater.yaml"
    path.write_text(text, encoding="utf-8")
    found = faults(path)
    assert [fault.line for fault in found] == [line for line, _, _ in expected], found
    for fault, (_, message, hint) in zip(found, expected, strict=True):
        assert message in fault.message, fault
        assert hint in fault.hint, fault
