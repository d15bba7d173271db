"""Caps, teams and prices as people write them: what is read, and what two files say together."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.caps import Caps, CardCaps, PeriodCaps
from config.faults import ConfigurationFault
from config.load import load
from config.money import Money
from tests.config.shop import GOOD, loaded, open_catalog

CAPS = """\
    team: sales
    caps:
      call: {moved: 50 USD}
      task: {moved: 200 USD, paid: 0.02 USD, calls: 6, writes: 2}
      month: {moved: [5000 USD, 100000 JPY], alert: [50, 80, 100]}
"""
TEAMS = "teams:\n  sales: {tz: Asia/Tokyo, caps: {hour: {calls: 30, alert: []}}}\n"


def test_as_written(tmp_path: Path) -> None:
    """What a card says is what is capped, in exact sums, and nothing else is."""
    caps = loaded(tmp_path, GOOD + CAPS + TEAMS).agents["clerk"].caps
    assert caps.call.moved == (Money(50_000_000, "USD"),)
    assert caps.task == Caps(
        moved=(Money(200_000_000, "USD"),), paid=(Money(20_000, "USD"),), calls=6, writes=2, alert=(50, 80, 100)
    )
    assert caps.month.moved == (Money(5_000_000_000, "USD"), Money(100_000_000_000, "JPY"))
    assert [name for name, held in caps.by_period.items() if held.capped] == ["month"]
    assert not CardCaps().task.capped


def test_teams_joined(tmp_path: Path) -> None:
    """Teams stand in several files of a folder, and are joined by their names."""
    (tmp_path / "one.yaml").write_text(GOOD + CAPS + TEAMS)
    (tmp_path / "two.yaml").write_text("teams:\n  support: {}\n")
    read = load(tmp_path, open_catalog)
    assert {name: team.tz for name, team in read.teams.items()} == {"sales": "Asia/Tokyo", "support": "UTC"}
    assert read.teams["sales"].caps.hour.alert == ()
    assert read.teams["support"].caps == PeriodCaps()


def test_version_changes(tmp_path: Path) -> None:
    """Another cap, team or price is another version of the configuration."""
    priced = GOOD.replace("{env: SHOP_KEY}", "{env: SHOP_KEY}\n    prices: {charges.list: {call: 1 USD}}")
    texts = [GOOD, GOOD + TEAMS, GOOD + TEAMS.replace("30", "31"), GOOD + CAPS + TEAMS, priced]
    assert len({loaded(tmp_path, text).version for text in texts}) == len(texts)


def test_equal_cards_share(tmp_path: Path) -> None:
    """Agents whose cards have the same rules hold one object, and so does whatever is made of it."""
    other = GOOD[GOOD.index("  clerk:") :].replace("clerk", "cashier").replace("Serve", "Charge")
    agents = loaded(
        tmp_path, GOOD + other + other.replace("cashier", "guest").replace("charges.*", "charges.list")
    ).agents
    assert agents["clerk"].allow is agents["cashier"].allow
    assert agents["clerk"].allow is not agents["guest"].allow
    assert agents["cashier"].purpose == "Charge customers"


def test_limited_sums(tmp_path: Path) -> None:
    """A list that is summed to an amount may be limited in money, and in nothing else."""
    text = (
        "apis: {it: {catalog: stripe, credential: {env: A}}}\n"
        "agents: {a: {purpose: x, environment: test, allow: {it: {checkout.sessions.create: "
        "{limit: {line_items: SPAN}}}}}}\n"
    )
    path = tmp_path / "breakwater.yaml"
    path.write_text(text.replace("SPAN", "0..100 USD"))
    assert load(path).agents["a"].allow
    path.write_text(text.replace("SPAN", "0..100"))
    with pytest.raises(ConfigurationFault) as wrong:
        load(path)
    assert "`line_items` of `checkout.sessions.create` is money" in wrong.value.faults[0].message
