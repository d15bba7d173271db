"""
What people wrote, held against the catalogues and against itself.

The models say what a value may look like; here it is asked whether it means something: whether an API, an operation, an
argument exists (and what is nearest to it), whether a limit reads a number, whether two doors stand at one address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.addresses import SOCKET_PATH_BYTES_MAX, clashes, is_too_long, leads_back
from config.approving import approvals, holders_of, operators_named
from config.breakers import never_slow
from config.capping import payable, payable_together, prices, teams_named
from config.caps import Team
from config.catalog import Argument, Before, Effect, Kind, OperationSpec
from config.faults import Fault, did_you_mean, listed
from config.looping import loop_faults
from config.operators import OperatorCard
from config.policy import AgentCard, Rule, Scalar, arguments_named, bare_name
from config.ranges import MoneyRange, NumberRange
from config.settings import EVERY_BASE, ApiAccount, Settings
from config.shape import Places
from config.source import Trail
from config.store import MEMORY
from config.store_tls import misplaced
from config.tables import Catalog
from config.written import Address, UnixSocket

NUMBERS = frozenset({Kind.INTEGER, Kind.NUMBER})

SHARED = "shared"

_OWN_PORT = "give each its own port; port 0 takes a free one"

_WRITTEN_AS = {
    Kind.STRING: ("text", 'put it in quotes: "{}"'),
    Kind.INTEGER: ("a whole number", "write digits without quotes"),
    Kind.NUMBER: ("a number", "write digits without quotes"),
    Kind.BOOLEAN: ("a boolean", "write `true` or `false`"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """
    All that could be read: an API or an agent with a broken shape is None, an API without its catalogue has none.
    """

    settings: Settings
    apis: Mapping[str, ApiAccount | None]
    catalogs: Mapping[str, Catalog]
    agents: Mapping[str, AgentCard | None]
    places: Places
    folder: Path = Path()
    teams: Mapping[str, Team | None] = field(default_factory=dict)
    operators: Mapping[str, OperatorCard | None] = field(default_factory=dict)


def bases_of(catalog: Catalog) -> tuple[str, ...]:
    """
    Return an API's bases, the first one first: as its dialect lists them, then those that only operations name.
    """
    return tuple(dict.fromkeys([*catalog.dialect.origins, *(spec.base for spec in catalog.operations.values())]))


def door_of(api: str, base: str, bases: tuple[str, ...]) -> str:
    """
    Return the name under which a base's door is written: the API's for its first base, `API.BASE` for the others.
    """
    return api if base == bases[0] else f"{api}.{base}"


def door_names(catalogs: Mapping[str, Catalog]) -> dict[str, str]:
    """
    Return every spelling of every door with its name: an API's first base may be written in full, too.
    """
    names = {}
    for api, catalog in catalogs.items():
        bases = bases_of(catalog)
        for base in bases:
            names[f"{api}.{base}"] = names[door_of(api, base, bases)] = door_of(api, base, bases)
    return names


def inconsistencies(written: Written) -> Iterator[Fault]:
    """
    Yield every fault, section by section.
    """
    yield from _store(written)
    yield from _doors(written)
    yield from _hosts(written)
    longest_s = written.settings.timeouts.write_total_s
    for name, account in written.apis.items():
        if account is not None and name in written.catalogs:
            yield from _account(name, account, written)
            yield from prices(name, account, written.catalogs[name], written.places)
            yield from never_slow(("apis", name), account.breaker, longest_s, written.places)
    for name, card in written.agents.items():
        if card is not None:
            yield from _card(name, card, written)
            yield from payable(name, card, written.apis, written.places)
            yield from never_slow(("agents", name), card.breaker, longest_s, written.places)
            who = written.operators
            yield from approvals(name, card, written.catalogs, who.keys(), holders_of(who), written.places)
    yield from operators_named(written.operators, written.places)
    yield from teams_named(written.agents, written.teams, written.places)
    yield from payable_together(written.agents, written.teams, written.apis, written.places)


def _store(written: Written) -> Iterator[Fault]:
    if (written.settings.workers or 1) > 1 and written.settings.store == MEMORY:
        hint = "name a Redis under `store`, or write `workers: 1`"
        yield written.places.key(("workers",)).fault("several workers share what they know in a Redis", hint)
    for name, (message, hint) in misplaced(written.settings.store).items():
        if getattr(written.settings, name) is not None:
            yield written.places.key((name,)).fault(message, hint)


def _doors(written: Written) -> Iterator[Fault]:
    settings, places = written.settings, written.places
    known = door_names(written.catalogs)
    stands: dict[str, str] = {}
    # The admin door first: it has an address even where none is written, and a fault needs a line to stand in.
    taken: list[tuple[str, Address | UnixSocket]] = [("`admin`", settings.admin)]
    yield from _too_long(("admin",), settings.admin, written)
    if settings.shared is not None:
        yield from _clash((SHARED,), settings.shared, taken, written)
        taken.append(("`shared`", settings.shared))
    for name, address in settings.doors.items():
        trail: Trail = ("doors", name)
        api = name.partition(".")[0]
        if name in known:
            if known[name] in stands:
                yield places.key(trail).fault(f"`{name}` and `{stands[known[name]]}` are one door", "keep one of them")
            stands[known[name]] = name
        elif api not in written.apis:
            yield places.key(trail).fault(f"door `{name}` is for no API", did_you_mean(api, written.apis))
        elif api in written.catalogs:
            yield places.key(trail).fault(f"door `{name}` is for no base of `{api}`", did_you_mean(name, known))
        yield from _clash(trail, address, taken, written)
        taken.append((f"door `{name}`", address))


def _clash(
    trail: Trail,
    address: Address | UnixSocket,
    taken: list[tuple[str, Address | UnixSocket]],
    written: Written,
) -> Iterator[Fault]:
    yield from _too_long(trail, address, written)
    for holder, other in taken:
        if clashes(address, other, written.folder):
            hint = "give each its own path" if isinstance(address, UnixSocket) else _OWN_PORT
            yield written.places.value(trail).fault(f"{address} is the address of {holder} already", hint)
            return


def _too_long(trail: Trail, address: Address | UnixSocket, written: Written) -> Iterator[Fault]:
    if is_too_long(address, written.folder):
        message = f"a socket's whole path has at most {SOCKET_PATH_BYTES_MAX} bytes"
        yield written.places.value(trail).fault(message, "write a shorter one: `unix:/run/breakwater/stripe.sock`")


def host_of(door: str) -> str:
    """
    Return the host by which a door is named on the shared one, wherever names under `localhost` lead.
    """
    return f"{door}.localhost"


def _hosts(written: Written) -> Iterator[Fault]:
    known, places = door_names(written.catalogs), written.places
    own = {host_of(door): door for door in known.values()}
    if written.settings.hosts and written.settings.shared is None:
        yield places.key(("hosts",)).fault("`hosts` name doors on the shared one, and there is none", "add `shared:`")
    for host, door in written.settings.hosts.items():
        trail: Trail = ("hosts", host)
        if door not in known:
            yield places.value(trail).fault(f"`{door[:80]}` is no door", did_you_mean(door, known))
        elif own.get(host, known[door]) != known[door]:
            yield places.key(trail).fault(f"`{host}` is the host of door `{own[host]}`", "write another host")


def _account(name: str, account: ApiAccount, written: Written) -> Iterator[Fault]:
    places, catalog = written.places, written.catalogs[name]
    bases = bases_of(catalog)
    for base, origin in account.upstream.items():
        trail: Trail = ("apis", name, "upstream", base)
        if base not in bases and base != EVERY_BASE:
            yield places.key(trail).fault(f"`{base}` is no base of `{name}`", did_you_mean(base, bases))
        if any(leads_back(origin, door, written.folder) for door in _listeners(written.settings)):
            message = f"{origin} is a door of this Breakwater"
            yield places.value(trail).fault(message, "write where the API itself answers")
    yield from _aliases(name, account, written)
    for base in (base for base in bases if base not in account.origins(dict.fromkeys(bases) | catalog.dialect.origins)):
        right = f"upstream: {{{base}: https://…}}" if len(bases) > 1 else "upstream: https://…"
        message = f"`{name}` needs an `upstream`: its catalogue has no origin for base `{base}`"
        yield places.key(("apis", name)).fault(message, f"add `{right}`")
    if account.credential.user is not None and catalog.dialect.credential.scheme != "basic":
        message = f"`{name}` takes its credential without a user"
        yield places.key(("apis", name, "credential", "user")).fault(message, "remove `user`")


def _aliases(name: str, account: ApiAccount, written: Written) -> Iterator[Fault]:
    bases, places = bases_of(written.catalogs[name]), written.places
    for base, origins in account.aliases.items():
        trail: Trail = ("apis", name, "aliases", base)
        listed: Trail = trail[:-1] if base == EVERY_BASE else trail
        if base not in bases and base != EVERY_BASE:
            yield places.key(trail).fault(f"`{base}` is no base of `{name}`", did_you_mean(base, bases))
        for index, origin in enumerate(origins):
            if any(leads_back(origin, door, written.folder) for door in _listeners(written.settings)):
                message = f"{origin} is a door of this Breakwater"
                yield places.value((*listed, index)).fault(message, "write an origin that the API's answers name")


def _listeners(settings: Settings) -> Iterator[Address | UnixSocket]:
    yield from settings.doors.values()
    yield from (address for address in (settings.shared, settings.admin) if address is not None)


def _card(name: str, card: AgentCard, written: Written) -> Iterator[Fault]:
    places, top = written.places, ("agents", name)
    if card.environment == "production" and (missing := card.owners.missing):
        place = places.key((*top, "owners") if "owners" in card.model_fields_set else top)
        hint = "add `owners: {business: …, technical: …, model: …}`, or say another `environment`"
        yield place.fault(f"agent `{name}` works in production and has no owner for {listed(missing)}", hint)
    for section, per_api in (("allow", card.allow), ("deny", card.deny)):
        for api, entries in per_api.items():
            trail = (*top, section, api)
            if api not in written.apis:
                yield places.key(trail).fault(f"there is no API `{api}`", did_you_mean(api, written.apis))
            elif api in written.catalogs:
                yield from _entries(trail, entries, written.catalogs[api], places)
    yield from _headers((*top, "headers"), card, written)
    if card.allow.keys() <= written.catalogs.keys():
        yield from loop_faults((*top, "loops"), card.loops, [written.catalogs[api] for api in card.allow], places)


def _entries(
    trail: Trail, entries: Mapping[str, Rule] | tuple[str, ...], catalog: Catalog, places: Places
) -> Iterator[Fault]:
    if isinstance(entries, tuple):
        for index, pattern in enumerate(entries):
            if not catalog.matching(pattern):
                yield places.value((*trail, index)).fault(*_nothing(catalog, pattern))
        return
    for pattern, rule in entries.items():
        specs = catalog.matching(pattern)
        if specs:
            yield from _rule((*trail, pattern), pattern, rule, specs, places)
        else:
            yield places.key((*trail, pattern)).fault(*_nothing(catalog, pattern))


def _nothing(catalog: Catalog, pattern: str) -> tuple[str, str]:
    if "*" in pattern:
        return f"`{pattern[:80]}` matches no operation of `{catalog.name}`", "`breakwater catalog show` lists them"
    near = catalog.nearest(pattern)
    hint = f"did you mean {listed(near)}?" if near else f"`breakwater catalog show {catalog.name}` lists them"
    return f"`{catalog.name}` has no operation `{pattern[:80]}`", hint


def _rule(trail: Trail, pattern: str, rule: Rule, specs: tuple[OperationSpec, ...], places: Places) -> Iterator[Fault]:
    for written, allowed in rule.only.items():
        at = (*trail, "only", written)
        if (unknown := _unknown(written, pattern, specs)) is not None:
            yield places.key(at).fault(*unknown)
            continue
        for argument in _arguments(written, specs):
            if (wrong := _unlistable(argument)) is not None:
                yield places.key(at).fault(*wrong)
                break
            yield from _mistyped(at, argument, allowed, places)
    for written, span in rule.limit.items():
        at = (*trail, "limit", written)
        if (unknown := _unknown(written, pattern, specs)) is not None:
            yield places.key(at).fault(*unknown)
        elif (unlimited := _unlimited(written, span, specs)) is not None:
            yield places.value(at).fault(*unlimited)
    blind = next((spec for spec in specs if spec.effect is not Effect.READ and not _readable_before(spec)), None)
    if rule.before is not None and blind is not None:
        message = f"nothing says how to read what `{blind.name}` changes"
        yield places.key((*trail, "before")).fault(message, "remove `before`, or curate what it touches in an overlay")
    yield from _about_writes(trail, pattern, rule, specs, places)


def _about_writes(
    trail: Trail, pattern: str, rule: Rule, specs: tuple[OperationSpec, ...], places: Places
) -> Iterator[Fault]:
    said = {"require_key": rule.require_key, "duplicates": rule.duplicates is not None, "marker": rule.marker}
    if all(spec.effect is Effect.READ for spec in specs):
        for member in (member for member, is_said in said.items() if is_said):
            message = f"`{pattern[:80]}` writes nothing: `{member}` is for writes"
            yield places.key((*trail, member)).fault(message, f"remove `{member}`")
    elif rule.marker and all(spec.marker is None for spec in specs):
        message = f"nothing says where a mark stands in what `{specs[0].name}` makes"
        if pattern not in specs[0].names:
            message = f"nothing that `{pattern[:80]}` matches can bear a mark"
        yield places.key((*trail, "marker")).fault(message, "remove `marker`, or curate one in an overlay")


def _readable_before(spec: OperationSpec) -> bool:
    return any(touch.before is not Before.NONE for touch in spec.touches)


def _arguments(written: str, specs: Iterable[OperationSpec]) -> tuple[Argument, ...]:
    """
    Return the arguments that a name means in these operations, once for each kind.
    """
    found = {argument.kind: argument for spec in specs for argument in arguments_named(spec, written)}
    return tuple(found.values())


def _unknown(written: str, pattern: str, specs: tuple[OperationSpec, ...]) -> tuple[str, str] | None:
    without = next((spec for spec in specs if not arguments_named(spec, written)), None)
    if without is None:
        return None
    names = {name for spec in specs for _, name in spec.arguments}
    through = "" if pattern in without.names else f", which `{pattern[:80]}` matches,"
    hint = did_you_mean(bare_name(written), names)
    if arguments_named(without, bare_name(written)):
        elsewhere = arguments_named(without, bare_name(written))
        hint = f"did you mean {listed(f'{argument.place}.{argument.name}' for argument in elsewhere)}?"
    elif bare_name(written) in names:
        hint = "write a rule for each operation that has it"
    return f"`{without.name}`{through} has no argument `{written[:60]}`", hint


def _unlistable(argument: Argument) -> tuple[str, str] | None:
    if argument.kind in {Kind.ARRAY, Kind.OBJECT}:
        what = "a list" if argument.kind is Kind.ARRAY else "a mapping"
        return f"`{argument.name}` is {what}; `only` reads one value", "remove it: no single value pins it down"
    return None


def _mistyped(at: Trail, argument: Argument, allowed: tuple[Scalar, ...], places: Places) -> Iterator[Fault]:
    for index, value in enumerate(allowed):
        if not _is_of(argument.kind, value):
            what, hint = _WRITTEN_AS[argument.kind]
            spot = places.value((*at, index))
            yield spot.fault(f"`{argument.name}` is {what}", hint.format(_shown(value)))


def _is_of(kind: Kind, value: Scalar) -> bool:
    match kind:
        case Kind.STRING:
            return isinstance(value, str)
        case Kind.INTEGER | Kind.NUMBER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case _:
            return True


def _shown(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unlimited(
    written: str, span: NumberRange | MoneyRange, specs: tuple[OperationSpec, ...]
) -> tuple[str, str] | None:
    name = bare_name(written)
    for spec in specs:
        meant = arguments_named(spec, written)
        amount = spec.amount
        moves = amount is not None and spec.arguments.get((amount.place, amount.argument)) in meant
        if not moves and any(argument.kind not in NUMBERS for argument in meant):
            return f"`{name}` of `{spec.name}` is not a number: a limit cannot read it", "list its values under `only`"
        if moves and isinstance(span, NumberRange):
            return f"`{name}` of `{spec.name}` is money", f"write the currency, in whole units: `{span} USD`"
        if not moves and isinstance(span, MoneyRange):
            states = amount is not None and amount.argument
            other = f"the amount is `{states}`" if states else "write a range without a currency"
            return f"`{name}` of `{spec.name}` is not known to be an amount of money", other
    return None


def _headers(trail: Trail, card: AgentCard, written: Written) -> Iterator[Fault]:
    reached = [name for name in card.allow if name in written.apis]
    if any(name not in written.catalogs for name in reached):
        return
    known = {header for name in reached for header in written.catalogs[name].dialect.redirecting_headers}
    for name in card.headers:
        if name not in known:
            message = f"`{name}` is no header that chooses whose object is touched, at any API that is allowed here"
            yield written.places.key_folded((*trail, name)).fault(message, did_you_mean(name, known))
