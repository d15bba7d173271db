from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from tests.clients.bench import Bench
from tests.clients.compare import Step
from tests.clients.play import Target
from tests.clients.script import everywhere, on_the_sandbox
from tests.clients.sdk import Player, client_style, global_style
from tests.clients.table import hold, row
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


def played(manner: Callable[..., AbstractContextManager[Any]], target: Target) -> list[Step]:
    assert isinstance(target.upstream, StripeSandbox)
    with manner(target.base, target.bases[".files"], target.key) as sdk:
        player = Player(sdk)
        everywhere(player)
        on_the_sandbox(player, target.upstream)
        return player.steps


def by_client(target: Target) -> list[Step]:
    return played(client_style, target)


def by_module(target: Target) -> list[Step]:
    return played(global_style, target)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("work", [by_client, by_module])
def test_same_work(on: Bench, work: Callable[[Target], list[Step]], style: str) -> None:
    """Stripe's SDK does the same work, and shows the same of it, directly and through each style of door."""
    differences = on.differences(work, "sandbox", style)
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize(
    ("client", "work"), [("stripe-python, `StripeClient`", by_client), ("stripe-python, the module", by_module)]
)
def test_row(on: Bench, client: str, work: Callable[[Target], list[Step]]) -> None:
    """The page's row is what a run finds."""
    hold(row(on, client, work, "sandbox", STYLES), client, "sandbox")
