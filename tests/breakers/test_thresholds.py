"""From when on breakers move, as the configuration says it: beside an API, on a card, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakers.thresholds import (
    OF_CREDENTIAL,
    OF_TASK,
    STANDARD,
    STANDARD_OF_AGENT,
    USUAL,
    Gauging,
    Thresholds,
    compile_gauging,
)
from config.breakers import read_percent, write_percent
from config.policy import AgentCard
from config.settings import ApiAccount

ACCOUNT = {"catalog": "shop", "credential": {"env": "SHOP_KEY"}}
CARD = {"purpose": "Serve", "environment": "test"}


@pytest.mark.parametrize(
    ("written", "of_account"),
    [
        ({}, Thresholds()),
        (False, Thresholds(off=True)),
        ({"act": "watch"}, Thresholds(watch=True)),
        ({"errors": "2%", "over": "1m", "slow": "1s"}, Thresholds(20_000, 60, 1.0)),
        ({"errors": "0.25%"}, Thresholds(2_500)),
    ],
)
def test_written(written: object, of_account: Thresholds) -> None:
    """What is written beside an API and on a card holds for it alone; an agent's breaker asks for more failures."""
    account = ApiAccount.model_validate({**ACCOUNT, "breaker": written})
    card = AgentCard.model_validate({**CARD, "breaker": written})
    gauging = compile_gauging({"clerk": card, "other": AgentCard.model_validate(CARD)}, {"shop": account}, 20.0)
    own = gauging.of("agent:clerk/shop/write")
    assert gauging.of("api:shop/irreversible") == of_account
    assert (own.errors_ppm, own.over_s, own.slow_after_s, own.watch, own.off, own.least) == (
        of_account.errors_ppm, of_account.over_s, of_account.slow_after_s, of_account.watch, of_account.off, 5,
    )  # fmt: skip
    assert gauging.of("agent:other/shop/write") is STANDARD_OF_AGENT
    assert gauging.of("api:elsewhere/read") is STANDARD
    assert gauging.lease_s == 25.0


def test_every_kind() -> None:
    """Every kind of breaker has thresholds, whatever is configured."""
    for key in ("api:a/read", "agent:b/a/write", "credential:a", "task:t", "kill:all", "kill:api:a"):
        assert not USUAL.of(key).off


@pytest.mark.parametrize("written", ["0.5%", "0.0001%", "99.9999%", "12%", "3.25%"])
def test_share(written: str) -> None:
    """A share is read without rounding, and written as it was read."""
    assert write_percent(read_percent(written)) == written


def test_whose_own() -> None:
    """A credential's breaker is off or only watches where its account's do, and a task's where its agent's do."""
    gauging = Gauging(apis={"shop": Thresholds(watch=True)}, agents={"clerk": Thresholds(off=True)})
    assert gauging.of("credential:shop") == replace(OF_CREDENTIAL, watch=True)
    assert gauging.of("credential:other") == OF_CREDENTIAL
    assert gauging.of("task:clerk/2026-11-21") == replace(OF_TASK, off=True)
    assert gauging.of("task:other/2026-11-21") == OF_TASK
