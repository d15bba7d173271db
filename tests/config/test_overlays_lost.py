"""The bundled overlays on what is lost: how each write is found out about, or why it cannot be."""

from __future__ import annotations

from config.catalog import After, Before, OperationSpec, Place
from config.tables import BUNDLED
from tests.config.test_overlays import CATALOGS, SHAPE_ONLY, WRITES
from tests.conftest import Figure

# As the catalogues' page counts them.
SHOWN_AND_NOT = {"github": (24, 47), "jira": (4, 11), "stripe": (26, 9)}


def decided_by_reading(spec: OperationSpec) -> bool:
    """
    Tell whether the request names the main object, and its read shows whether the write took effect.
    """
    if not spec.touches:
        return False
    main = spec.touches[0]
    named = all(source.origin not in {"answer", "before"} for _, source in main.sources)
    claims = dict(main.claims)
    seen = any(place is Place.BODY and claims.get(name, name) is not None for place, name in spec.arguments)
    return named and (main.after is After.GONE or bool(spec.done) or seen)


def test_lost_ones(figure: Figure) -> None:
    """Of every curated write that is lost there is a way to find out, or a reason why there is none; never both."""
    for api, specs in WRITES.items():
        listed = [spec for spec in specs.values() if spec.name not in SHAPE_ONLY.get(api, ())]
        assert [spec.name for spec in listed if spec.unfound and (spec.find or spec.done or spec.marker)] == []
        left = [spec for spec in listed if not spec.find and not spec.unfound]
        assert [spec.name for spec in left if not decided_by_reading(spec)] == [], api
        shown, nowhere = sum(spec.find is not None for spec in listed), sum(bool(spec.unfound) for spec in listed)
        assert (shown, nowhere) == SHOWN_AND_NOT[api]
        figure(f"{api}, lost writes that a list shows", shown)
        figure(f"{api}, lost writes that their object shows", len(left))
        figure(f"{api}, lost writes that nothing shows", nowhere)


def test_made_anew() -> None:
    """What makes something is looked for in a list, unless its request names what it makes."""
    for api, specs in WRITES.items():
        for spec in specs.values():
            if spec.touches and spec.touches[0].before is Before.NONE and not spec.find and not spec.unfound:
                assert decided_by_reading(spec), (api, spec.name)
            if spec.marker:
                assert spec.makes_anew or spec.name == "repos/create-or-update-file-contents", (api, spec.name)


# Money that no argument states: a second one is suspected as long as of those that state theirs.
DAY = {
    "invoice_items.create",
    "invoices.add_lines",
    "invoices.pay",
    "invoices.send_invoice",
    "payouts.reverse",
    "quotes.accept",
    "subscription_items.create",
    "subscriptions.create",
}


def test_windows() -> None:
    """A second effect is suspected for a day where money moves, for a minute where it only repeats."""
    for specs in WRITES.values():
        for spec in specs.values():
            day = spec.moves_money or spec.name in DAY
            assert spec.effect_window_s == (86_400 if day else 60 if spec.effect_key else 0), spec.name


def test_identities() -> None:
    """Who we are is known where an item shows who made it, and each API says how far its reads are behind."""
    for api, specs in WRITES.items():
        asks = any(spec.find and spec.find.creator for spec in specs.values())
        assert (CATALOGS[api].dialect.identity is not None) is asks, api
    assert {api: CATALOGS[api].dialect.lag_s for api in BUNDLED} == {"github": 30, "jira": 5, "stripe": 30}
    assert {(rule.prefix, rule.kept_h) for rule in CATALOGS["stripe"].dialect.honours_key} == {
        ("/v1", 24),
        ("/v2", 720),
    }


def test_lists_not_searches() -> None:
    """What GitHub lost is looked for where it is listed, never by a search, and an issue is no pull request."""
    looked = {spec.name: spec.find for spec in WRITES["github"].values() if spec.find}
    listings = [one for find in looked.values() for one in (find.listing, find.marked) if one is not None]
    assert [listing.read for listing in listings if "search" in listing.read] == []
    assert looked["issues/create"].listing.read == "issues/list-for-repo"
    assert looked["issues/create"].without == ("/pull_request",)


def test_issue_search() -> None:
    """A Jira issue is absent only after five minutes, three reads, and a later issue in the same answer."""
    find = WRITES["jira"]["createIssue"].find
    assert find is not None
    assert (find.lag_s, find.reads, find.needs_later) == (300, 3, True)
    assert (find.reads - 1) * find.apart_s >= 300
