"""
A file, or a folder of them, as one frozen configuration; or every fault in it at once.

A folder's files are read as one: `apis`, `agents`, `teams`, `operators`, `doors` and `hosts` are joined name by name,
every other key stands in one file. Relative paths are relative to the folder that the file stands in. Nothing is taken
from the environment, and nothing but these files and the catalogues that they name is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, Field

from config.caps import Team
from config.consistency import Written, bases_of, door_names, door_of, inconsistencies
from config.faults import CatalogFault, ConfigurationFault, Fault, Unreadable
from config.operators import OperatorCard
from config.place import read_files
from config.policy import AgentCard
from config.proving import unproven
from config.settings import ApiAccount, CredentialSource, Settings
from config.shape import Model, Places, shaped
from config.source import Source
from config.store import PasswordSource
from config.tables import Catalog, load_catalog
from config.written import Address, Frozen, Origin, UnixSocket, read_name

# Sections whose members are models of their own, each with faults of its own.
_SECTIONS = frozenset({"apis", "agents", "teams", "operators"})

FREE_LOOPBACK = Address("127.0.0.1", 0)

Where = TypeVar("Where", bound=Address | Origin | UnixSocket)

OpenCatalog = Callable[[str, Path], Catalog]


class Document(Settings):
    """
    A whole configuration as it is written.
    """

    apis: Frozen[ApiAccount] = Field(default_factory=dict, validate_default=True)
    """The API accounts, by a name of your own."""
    agents: Frozen[AgentCard] = Field(default_factory=dict, validate_default=True)
    """The agents' cards, by name."""
    teams: Frozen[Team] = Field(default_factory=dict, validate_default=True)
    """The teams that cards name, each with what its agents take together."""
    operators: Frozen[OperatorCard] = Field(default_factory=dict, validate_default=True)
    """The people with a token of their own, by name, each with what he or she may do."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    Everything that people wrote, checked, with the catalogue of each API; `version` changes when any of it does.

    Doors in `settings` stand under their one name, `API` for an API's first base and `API.BASE` for the others; the
    paths of sockets are absolute.
    """

    settings: Settings
    apis: Mapping[str, ApiAccount]
    catalogs: Mapping[str, Catalog]
    agents: Mapping[str, AgentCard]
    version: str
    teams: Mapping[str, Team] = field(default_factory=dict)
    operators: Mapping[str, OperatorCard] = field(default_factory=dict)

    def bases(self, api: str) -> tuple[str, ...]:
        """
        Return the bases of an API, its first one first.
        """
        return bases_of(self.catalogs[api])

    def doors(self) -> dict[tuple[str, str], Address | UnixSocket]:
        """
        Return where each base of each API listens; what nobody wrote is a free port on loopback.
        """
        doors: dict[tuple[str, str], Address | UnixSocket] = {}
        for api in self.apis:
            bases = self.bases(api)
            for base in bases:
                doors[api, base] = self.settings.doors.get(door_of(api, base, bases), FREE_LOOPBACK)
        return doors

    def upstream(self, api: str, base: str) -> str:
        """
        Return the origin at which a base of an API answers.
        """
        return self.apis[api].origins(dict.fromkeys(self.bases(api)) | self.catalogs[api].dialect.origins)[base]


def load(path: Path, open_catalog: OpenCatalog = load_catalog) -> Configuration:
    """
    Read the configuration at a path. Raises `ConfigurationFault` with every fault that it has.
    """
    source, folder = read_files(path)
    written, faults = _shape(source, folder, open_catalog)
    faults = _in_order(source.faults, [*faults, *inconsistencies(written), *unproven(written, Path.read_bytes)])
    if faults:
        raise ConfigurationFault(faults)
    return _configuration(written, folder)


def _in_order(spelling: list[Fault], meaning: list[Fault]) -> list[Fault]:
    """
    Return the faults by place. Where the spelling is wrong, what a value seems to mean is no fault of its own.
    """
    misspelt = {fault.place for fault in spelling}
    return sorted({*spelling, *(fault for fault in meaning if fault.place not in misspelt)})


def _shape(source: Source, folder: Path, open_catalog: OpenCatalog) -> tuple[Written, list[Fault]]:
    places, value = Places(source), source.value
    process = {key: member for key, member in value.items() if key not in _SECTIONS}
    settings, faults = shaped(Settings, process, (), places)
    apis, wrong = _section(ApiAccount, "apis", value, places)
    faults += wrong
    agents, wrong = _section(AgentCard, "agents", value, places)
    faults += wrong
    teams, wrong = _section(Team, "teams", value, places)
    faults += wrong
    operators, wrong = _section(OperatorCard, "operators", value, places)
    faults += wrong
    catalogs: dict[str, Catalog] = {}
    for name, account in apis.items():
        try:
            if account is not None:
                catalogs[name] = open_catalog(account.catalog, folder)
        except CatalogFault as error:
            faults.append(places.value(("apis", name, "catalog")).fault(error.message, error.hint))
    return Written(settings or Settings(), apis, catalogs, agents, places, folder, teams, operators), faults


def _section(
    model: type[Model], section: str, value: Mapping[str, Any], places: Places
) -> tuple[dict[str, Model | None], list[Fault]]:
    members, faults = value.get(section, {}), []
    if not isinstance(members, dict):
        hint = "write `name:`, and what belongs to it indented below"
        return {}, [places.value((section,)).fault("this must be a mapping", hint)]
    read: dict[str, Model | None] = {}
    for name, member in members.items():
        try:
            read_name(name)
        except Unreadable as error:
            faults.append(places.key((section, name)).fault(error.message, error.hint))
        read[name], wrong = shaped(model, member, (section, name), places)
        faults += wrong
    return read, faults


def _configuration(written: Written, folder: Path) -> Configuration:
    apis = {name: account for name, account in written.apis.items() if account is not None}
    agents = {name: card for name, card in written.agents.items() if card is not None}
    teams = {name: team for name, team in written.teams.items() if team is not None}
    operators = {name: card for name, card in written.operators.items() if card is not None}
    content = {
        "settings": plain(written.settings),
        "apis": {name: plain(account) for name, account in apis.items()},
        "agents": {name: plain(card) for name, card in agents.items()},
        "teams": {name: plain(team) for name, team in teams.items()},
        "operators": {name: plain(card) for name, card in operators.items()},
        "catalogs": {name: catalog.digest for name, catalog in written.catalogs.items()},
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    agents = _sharing(agents)
    return Configuration(
        _settings(written, folder),
        MappingProxyType({name: _anchored(account, folder) for name, account in apis.items()}),
        MappingProxyType(dict(written.catalogs)),
        MappingProxyType(agents),
        hashlib.sha256(canonical.encode()).hexdigest(),
        MappingProxyType(teams),
        MappingProxyType(operators),
    )


def _sharing(agents: Mapping[str, AgentCard]) -> dict[str, AgentCard]:
    """
    Return the cards, with one object for the rules of all whose rules are the same: what is made of them is made once.
    """
    first: dict[str, AgentCard] = {}
    shared = {}
    for name, card in agents.items():
        rules = json.dumps(plain({member: getattr(card, member) for member in _RULES}), sort_keys=True)
        one = first.setdefault(rules, card)
        shared[name] = card.model_copy(update={member: getattr(one, member) for member in _RULES})
    return shared


# What of a card many agents have in common.
_RULES = ("allow", "deny", "headers", "loops", "caps")


def _settings(written: Written, folder: Path) -> Settings:
    """
    Return the settings with doors under their one name, and with paths made relative to the configuration's folder.
    """
    names, settings = door_names(written.catalogs), written.settings
    shared = settings.shared
    return settings.model_copy(
        update={
            "state": folder / settings.state,
            "doors": MappingProxyType({names[name]: _placed(at, folder) for name, at in settings.doors.items()}),
            "hosts": MappingProxyType({host: names[door] for host, door in settings.hosts.items()}),
            "shared": None if shared is None else _placed(shared, folder),
            "admin": _placed(settings.admin, folder),
            "store_password": _kept_at(settings.store_password, folder),
            "sentinel_password": _kept_at(settings.sentinel_password, folder),
            "store_tls": None if settings.store_tls is None else settings.store_tls.within(folder),
            "alerts": settings.alerts.model_copy(update={"webhook": _kept_at(settings.alerts.webhook, folder)}),
        }
    )


def _placed(at: Where, folder: Path) -> Where | UnixSocket:
    return at.within(folder) if isinstance(at, UnixSocket) else at


def _kept_at(place: PasswordSource | None, folder: Path) -> PasswordSource | None:
    file = None if place is None or place.file is None else folder / place.file
    return None if place is None else place.model_copy(update={"file": file})


def _anchored(account: ApiAccount, folder: Path) -> ApiAccount:
    """
    Return the account with the paths of its credential and its upstreams made relative to the configuration's folder.
    """
    place: CredentialSource = account.credential
    upstream = MappingProxyType({base: _placed(at, folder) for base, at in account.upstream.items()})
    file = None if place.file is None else folder / place.file
    return account.model_copy(update={"credential": place.model_copy(update={"file": file}), "upstream": upstream})


def plain(value: object) -> object:
    """
    Return a model's content as JSON values, for its digest: every field with its default, whatever the file left out.
    """
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, tuple):
        return [plain(member) for member in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
