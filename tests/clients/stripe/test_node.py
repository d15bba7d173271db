from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.clients.bench import Bench, assert_ours
from tests.clients.nodejs import playing
from tests.clients.play import Script
from tests.clients.table import hold, row
from tests.clients.ways import STYLES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Script]:
    """
    Keep one process with the client in it.
    """
    with playing(tmp_path_factory.mktemp("stripe"), "stripe.mjs") as script:
        yield script


@pytest.mark.parametrize("style", STYLES)
def test_same_work(on: Bench, work: Script, style: str) -> None:
    """Stripe's SDK for JavaScript does the same work, directly and through each style of door."""
    differences = on.differences(work, "sandbox", style)
    assert not differences, "\n".join(differences)


def test_ours(on: Bench, work: Script) -> None:
    """A refusal of ours is an error of the client's own that shows our reason, and a write in doubt has one key."""
    assert_ours(on.refusals(partial(work, only="ours"), "sandbox"))


def test_row(on: Bench, work: Script) -> None:
    """The page's row is what a run finds."""
    hold(row(on, "stripe-node", work, "sandbox", STYLES), "stripe-node", "sandbox")
