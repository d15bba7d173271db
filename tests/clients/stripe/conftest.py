from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtest.installation import agent
from tests.canary.forms import secret
from tests.clients.bench import Api, Bench, bench
from tests.clients.compare import STRIPE
from tests.clients.stage import ALLOWED
from tests.clients.upstreams import stripe_ends

SECRET = secret("till")


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """
    Run Stripe twice, and Breakwater in front of one of them.
    """
    api = Api(
        rules=STRIPE,
        origins=("https://api.stripe.com", "https://files.stripe.com"),
        objectless=frozenset({"v2.core.event_destinations.create", "v2.core.event_destinations.delete"}),
        bases=("", ".files"),
    )
    with stripe_ends(SECRET) as ends:
        configured = {"catalog": "stripe", "credential": {"env": "UPSTREAM_SECRET"}}
        with bench(
            tmp_path_factory.mktemp("till"), api, {"sandbox": ends}, configured, agent(ALLOWED, loops=False)
        ) as made:
            yield made
