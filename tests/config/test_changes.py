"""What differs between two configurations, as a table: under which path, and whether a running process can take it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from config.changes import changed, needs_start
from config.load import Configuration, load
from loadtest.installation import agent, stripe_api

URL = "http://127.0.0.1:9"
STRIPE = stripe_api(URL)
CARD = agent({"stripe": {"charges.retrieve": {}}})

LIVE, START = False, True


def configuration(folder: Path, said: Mapping[str, object]) -> Configuration:
    folder.mkdir()
    document = {"apis": {"stripe": STRIPE}, "agents": {"clerk": CARD}, "teams": {"front": {"tz": "UTC"}}, **said}
    (folder / "breakwater.yaml").write_text(json.dumps({"state": "/nowhere", "admin": "127.0.0.1:0", **document}))
    return load(folder / "breakwater.yaml")


# what another configuration says, what of it differs, and whether only a start can take it
@pytest.mark.parametrize(
    ("said", "paths", "start"),
    [
        ({}, [], LIVE),
        ({"agents": {"clerk": agent({"stripe": {"charges.*": {}}})}}, ["agents.clerk"], LIVE),
        ({"agents": {"clerk": {**CARD, "loops": False}}}, ["agents.clerk"], LIVE),
        ({"agents": {"clerk": {**CARD, "caps": {"task": {"calls": 6}}}}}, ["agents.clerk"], LIVE),
        ({"agents": {}}, ["agents.clerk"], LIVE),
        ({"agents": {"clerk": CARD, "other": CARD}}, ["agents.other"], LIVE),
        ({"teams": {"front": {"tz": "Europe/Madrid"}}}, ["teams.front"], LIVE),
        ({"apis": {"stripe": {**STRIPE, "caps": {"day": {"calls": 5}}}}}, ["apis.stripe.caps.day.calls"], LIVE),
        ({"apis": {"stripe": {**STRIPE, "tz": "Europe/Madrid"}}}, ["apis.stripe.tz"], LIVE),
        (
            {"apis": {"stripe": {**STRIPE, "prices": {"charges.retrieve": {"call": "0.01 USD"}}}}},
            ["apis.stripe.prices.charges.retrieve"],
            LIVE,
        ),
        ({"idempotency": {"duplicates": "2m"}}, ["idempotency.duplicates"], LIVE),
        ({"tasks": {"ttl": "2h"}}, ["tasks.ttl"], LIVE),
        ({"conditions": {"cache": "1s"}}, ["conditions.cache"], LIVE),
        ({"idempotency": {"answers": "8d"}}, ["idempotency.answers"], START),
        ({"state": "/elsewhere"}, ["state"], START),
        ({"doors": {"stripe": "127.0.0.1:8001"}}, ["doors.stripe"], START),
        ({"shared": "127.0.0.1:8002"}, ["shared"], START),
        ({"store": "redis://127.0.0.1:6379/0"}, ["store"], START),
        ({"ledger": {"segment": {"max_age_s": 60}}}, ["ledger.segment.max_age_s"], START),
        ({"timeouts": {"look": "3s"}}, ["timeouts.look"], START),
        ({"limits": {"connections": 9}}, ["limits.connections"], START),
        ({"apis": {"stripe": {**STRIPE, "credential": {"env": "OTHER"}}}}, ["apis.stripe.credential.env"], START),
        (
            {"apis": {"stripe": {**STRIPE, "upstream": dict.fromkeys(("api", "files", "meter_events"), f"{URL}9")}}},
            ["apis.stripe.upstream.api", "apis.stripe.upstream.files", "apis.stripe.upstream.meter_events"],
            START,
        ),
        ({"apis": {"stripe": STRIPE, "second": STRIPE}}, ["apis.second"], START),
    ],
)
def test_changes(said: Mapping[str, object], paths: list[str], start: bool, tmp_path: Path) -> None:
    """Whatever judgement alone reads is taken by a running process, and what was opened at the start is not."""
    before, after = configuration(tmp_path / "one", {}), configuration(tmp_path / "other", said)
    assert list(changed(before, after)) == paths
    assert {needs_start(path) for path in paths} <= {start}
    assert (before.version != after.version) is bool(paths)


def test_catalogue(tmp_path: Path) -> None:
    """A catalogue whose content is another needs a start, wherever it is called the same."""
    one = configuration(tmp_path / "one", {})
    other = replace(one, catalogs={"stripe": replace(one.catalogs["stripe"], digest="0" * 64)})
    assert changed(one, other) == ("apis.stripe.catalog",)
    assert needs_start("apis.stripe.catalog")
