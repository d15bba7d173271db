"""
What the log says, folded: agent keys, intents whose outcome is not known, what is stopped, each task's links.

Every view is thrown away at a stop and folded again at a start; nothing here is written anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from breakers.call import Applied
from breakers.known import Names, State
from breakers.stops import ALL, UNKNOWN, Stop, Stops
from breakers.store.events import Event, IntentOpened
from proxy.keys import AgentKey, OperatorToken
from proxy.ledger.charges import charges_of
from proxy.ledger.drafts import read_stamp
from proxy.ledger.drifted import Drifted, drifted_from
from proxy.ledger.fleet import Stands, note_fleet
from proxy.ledger.stopped import stop_from
from proxy.ledger.tail import LONG_AGO

NO_RECORD = replace(UNKNOWN, epoch=1)
"""What a log without a record of scope `all` says: as new as the record with which a folder begins, and stricter."""


@dataclass(slots=True)
class OpenWrite:
    """
    A write without a definite outcome. `origin` names the former log where its intent stands there, `named` tells
    whether a `recovery.opened` says so, `unknown` whether an outcome does, `parked` whether a person is to decide.
    `touching` is the entry that says what it touches, where it touches something.
    """

    opened: IntentOpened
    index: int
    origin: str | None = None
    named: bool = False
    unknown: bool = False
    parked: bool = False
    touching: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OwedChange:
    """
    A write that took effect and of whose change there is no record yet.

    `entry` says what it touches, `index` is its intent's, in the log `origin` where that is a former one; `outcome` is
    the index of its outcome, or the place of the record that resolved it out of doubt.
    """

    entry: Mapping[str, Any]
    index: int
    outcome: int | str
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """
    What the rest of the program is rebuilt from at a start.

    `events` replay into a store, in order, `stops` first; each time they are gone through, they are read anew. `words`
    says of each scope where the record of its stop stands, which holds what was said of it. `open_intents` have no
    definite end, those of `parked` wait for a person. `credentials` has the newest act on each version of a sealed
    credential, by name and number, `drifted` the alarms over drift that stand, by agent.
    """

    stops: Stops
    events: Iterable[Event]
    keys: tuple[AgentKey, ...]
    open_intents: tuple[IntentOpened, ...]
    parked: frozenset[str] = frozenset()
    torn_bytes: int = 0
    credentials: Mapping[tuple[str, int], str] = field(default_factory=dict)
    operators: tuple[OperatorToken, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    drifted: Mapping[str, Drifted] = field(default_factory=dict)


@dataclass(slots=True)
class Views:
    """
    The fold over a log's entries.
    """

    origin: str = ""
    last_kind: str = ""
    last_said: str = ""
    stops: dict[str, Stop] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    keys: dict[str, AgentKey] = field(default_factory=dict)
    operators: dict[str, OperatorToken] = field(default_factory=dict)
    credentials: dict[tuple[str, int], str] = field(default_factory=dict)
    open: dict[int | str, OpenWrite] = field(default_factory=dict)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    owed: dict[int | str, OwedChange] = field(default_factory=dict)
    drifted: dict[str, Drifted] = field(default_factory=dict)
    fleet: dict[str, Stands] = field(default_factory=dict)

    def see(self, index: int, leaf: bytes, entry: Mapping[str, Any], place: str = "") -> None:
        """
        Take the next entry into the views.
        """
        kind = entry["k"]
        self.last_kind, self.last_said = kind, entry["ts"]
        self.chains[entry["task"]] = (entry["tn"] + 1, leaf)
        # What there is most of stands first.
        match kind:
            case "call.intent":
                touching = entry if entry.get("touches") else None
                self.open[index] = OpenWrite(opened_from(entry, place), index, touching=touching)
            case "call.outcome":
                self._ended(index, entry)
            case "change.recorded":
                self.owed.pop(_key(entry), None)
            case "recovery.opened":
                self._named(entry)
            case "recovery.resolved":
                self._resolved(entry, place)
            case "log.opened":
                self.origin = entry["origin"]
            case "key.minted":
                self.keys.setdefault(entry["kid"], _key_from(entry))
            case "key.revoked" if entry["kid"] in self.keys:
                self.keys[entry["kid"]] = replace(self.keys[entry["kid"]], revoked=True)
            case "operator.minted":
                self.operators.setdefault(entry["kid"], _token_from(entry))
            case "operator.revoked" if entry["kid"] in self.operators:
                self.operators[entry["kid"]] = replace(self.operators[entry["kid"]], revoked=True)
            case "credential.changed":
                self.credentials[entry["name"], entry["ver"]] = entry["how"]
            case "kill.changed":
                self._stopped(stop_from(entry), place)
            case "drift.alarmed":
                self.drifted.setdefault(entry["agent"], drifted_from(entry))
            case "drift.reset":
                self.drifted.pop(entry["agent"], None)
            case "fleet.changed":
                note_fleet(self.fleet, entry)
            case _:
                pass

    @property
    def last_ts(self) -> datetime:
        """
        Return the time of the last entry.
        """
        return read_stamp(self.last_said) if self.last_said else LONG_AGO

    def _stopped(self, stop: Stop, place: str) -> None:
        known = self.stops.get(stop.scope)
        if known is None or stop.overrules(known):
            self.stops[stop.scope], self.words[stop.scope] = stop, place

    def _ended(self, at: int, entry: Mapping[str, Any]) -> None:
        index = entry.get("intent")
        if index is None or index not in self.open:
            return
        if entry["eff"] == Applied.UNKNOWN:
            self.open[index].unknown = True
        else:
            self._closed(index, entry, at)

    def _closed(self, key: int | str, entry: Mapping[str, Any], outcome: int | str) -> None:
        write = self.open.pop(key)
        if write.touching is not None and entry["eff"] == Applied.APPLIED:
            self.owed[key] = OwedChange(write.touching, write.index, outcome, write.origin)

    def _named(self, entry: Mapping[str, Any]) -> None:
        key, origin = _key(entry), entry.get("of")
        if origin is not None:
            # A write of a former log is known here only by its record.
            opened, touching = opened_from(entry, entry.get("place", "")), entry if entry.get("touches") else None
            parked = bool(entry.get("parked"))
            write = OpenWrite(opened, entry["intent"], origin, named=True, parked=parked, touching=touching)
            self.open.setdefault(key, write)
        elif key in self.open:
            self.open[key].named = True

    def _resolved(self, entry: Mapping[str, Any], place: str) -> None:
        key = _key(entry)
        if key not in self.open:
            return
        if entry["state"] == State.COMPLETED:
            self._closed(key, entry, place)
        else:
            self.open[key].parked = True

    def recovery(self, torn_bytes: int = 0) -> Recovery:
        """
        Return what the program is rebuilt from, its events left to who reads them; without a record that says that it
        runs, it is stopped.
        """
        return Recovery(
            Stops(MappingProxyType({ALL: NO_RECORD, **self.stops})),
            (),
            tuple(self.keys.values()),
            tuple(write.opened for write in self.open.values()),
            frozenset(write.opened.intent for write in self.open.values() if write.parked),
            torn_bytes,
            dict(self.credentials),
            tuple(self.operators.values()),
            dict(self.words),
            dict(self.drifted),
        )

    def unnamed(self) -> tuple[OpenWrite, ...]:
        """
        Return the writes in doubt of which no record says so yet.
        """
        return tuple(write for write in self.open.values() if not write.named)


def _key_from(entry: Mapping[str, Any]) -> AgentKey:
    # What was learned of elsewhere may be over already.
    return AgentKey(entry["kid"], entry["agent"], entry["hash"], entry.get("over", False))


def _token_from(entry: Mapping[str, Any]) -> OperatorToken:
    return OperatorToken(entry["kid"], entry["name"], entry["hash"], entry.get("over", False))


def opened_from(entry: Mapping[str, Any], place: str) -> IntentOpened:
    """
    Return the event that an intent's entry says; what was written before writes had names has none.
    """
    idem = entry.get("idem")
    names, window_s = None, 0
    if isinstance(idem, dict):
        names, window_s = Names((idem["f"],), idem.get("k"), idem.get("e")), idem.get("w", 0)
    agent, at = entry["act"]["agent"], read_stamp(entry["at"])
    charges = charges_of(entry) if "bud" in entry else ()
    # A start makes one of each intent of a long log.
    said = (entry["call"], entry["prov"], entry["op"], agent, entry["task"], at, names, window_s, place, charges)
    return IntentOpened(*said, entry.get("sug", ""))


def _key(entry: Mapping[str, Any]) -> int | str:
    """
    Return under what a record about an intent finds it: its index, and its log's name where that is a former one.
    """
    index: int = entry["intent"]
    return index if entry.get("of") is None else f"{entry['of']}#{index}"
