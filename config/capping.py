"""
Caps, prices and teams, held against the catalogues and against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from config.caps import CallCaps, Caps, Team
from config.catalog import Kind, OperationSpec
from config.faults import Fault, did_you_mean
from config.policy import AgentCard, arguments_named
from config.prices import Price, ranked
from config.routes import Catalog
from config.settings import ApiAccount
from config.shape import Places
from config.source import Trail

# What a bound can be read from: a parameter of a query is text until its API's description says otherwise.
_COUNTS = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.ANY})


def teams_named(
    agents: Mapping[str, AgentCard | None], teams: Mapping[str, Team | None], places: Places
) -> Iterator[Fault]:
    """
    Yield each card whose team is none.
    """
    for name, card in agents.items():
        if card is not None and card.team is not None and card.team not in teams:
            spot = places.value(("agents", name, "team"))
            yield spot.fault(f"there is no team `{card.team}`", did_you_mean(card.team, teams) or "write it in `teams`")


def payable(name: str, card: AgentCard, apis: Mapping[str, ApiAccount | None], places: Places) -> Iterator[Fault]:
    """
    Yield each cap on what is paid that no price of the card's APIs could ever be held against.
    """
    reached = {api: account for api in card.allow if (account := apis.get(api)) is not None}
    caps: dict[str, Caps | CallCaps] = {"call": card.caps.call, "task": card.caps.task, **card.caps.by_period}
    yield from _payable(("agents", name, "caps"), caps, reached, places)


def payable_together(
    agents: Mapping[str, AgentCard | None],
    teams: Mapping[str, Team | None],
    apis: Mapping[str, ApiAccount | None],
    places: Places,
) -> Iterator[Fault]:
    """
    Yield each cap of a team on what is paid that no price of its agents' APIs could ever be held against.
    """
    named: dict[str | None, set[str]] = {}
    for card in agents.values():
        if card is not None:
            named.setdefault(card.team, set()).update(card.allow)
    for name, team in teams.items():
        if team is not None:
            within = named.get(name, ())
            reached = {api: account for api, account in apis.items() if api in within and account is not None}
            yield from _payable(("teams", name, "caps"), team.caps.by_period, reached, places)


def _payable(
    trail: Trail, caps: Mapping[str, Caps | CallCaps], apis: Mapping[str, ApiAccount], places: Places
) -> Iterator[Fault]:
    for period, held in caps.items():
        if held.paid is None:
            continue
        capped = {one.currency for one in held.paid}
        for api, account in apis.items():
            prices = sorted({price.currencies[0] for price in account.prices.values()} - capped)
            if prices:
                spot = places.value((*trail, period, "paid"))
                message = f"the prices of `{api}` are in {prices[0]}: every call there that has one would be refused"
                yield spot.fault(message, f"write a sum in {prices[0]}, in a list if there are others")


def prices(name: str, account: ApiAccount, catalog: Catalog, places: Places) -> Iterator[Fault]:
    """
    Yield what is wrong with the prices of an API: what they are for, what bounds them, and which of two counts.
    """
    top: Trail = ("apis", name, "prices")
    first = next(iter(account.prices.values()), None)
    matching: dict[str, frozenset[str]] = {}
    for pattern, price in account.prices.items():
        specs = catalog.matching(pattern)
        matching[pattern] = frozenset(spec.name for spec in specs)
        if not specs:
            near = did_you_mean(pattern, catalog.operations) if "*" not in pattern else ""
            hint = near or f"`breakwater catalog show {catalog.name}` lists them"
            yield places.key((*top, pattern)).fault(f"`{pattern[:80]}` is no operation of `{catalog.name}`", hint)
        if first is not None and price.currencies[0] != first.currencies[0]:
            message = f"`{name}` has prices in {first.currencies[0]} and in {price.currencies[0]}"
            yield places.value((*top, pattern)).fault(message, "write all prices of one API in one currency")
        yield from _bounds((*top, pattern), price, specs, places)
    yield from _payable(("apis", name, "caps"), account.caps.by_period, {name: account}, places)
    for one, other in combinations(account.prices, 2):
        for shared in sorted(matching[one] & matching[other]):
            names = catalog.operations[shared].names
            if ranked(names, one) == ranked(names, other):
                message = f"`{one}` and `{other}` both price `{shared}`, and neither says more of it"
                yield places.key((*top, other)).fault(message, f"write a price for `{shared}` itself")
                break


def _bounds(trail: Trail, price: Price, specs: tuple[OperationSpec, ...], places: Places) -> Iterator[Fault]:
    for index, metered in enumerate(price.metered):
        if isinstance(metered.at_most, int):
            continue
        spot = places.value((*trail, "metered", index, "at_most"))
        for spec in specs:
            meant = arguments_named(spec, metered.at_most)
            if not meant:
                names = (f"{place}.{name}" for place, name in spec.arguments)
                yield spot.fault(
                    f"`{spec.name}` has no argument `{metered.at_most}`", did_you_mean(metered.at_most, names)
                )
                break
            if any(argument.kind not in _COUNTS for argument in meant):
                yield spot.fault(f"`{metered.at_most}` of `{spec.name}` is no number", "write a number")
                break
