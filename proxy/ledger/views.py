"""
What the log says, folded: agent keys, intents whose outcome is not known, whether writes may pass, each task's links.

Every view is thrown away at a stop and folded again at a start; nothing here is written anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from breakers.call import Applied
from breakers.known import Names, State
from breakers.store.events import Event, IntentOpened, WritesChanged
from proxy.keys import AgentKey
from proxy.ledger.charges import charges_of
from proxy.ledger.drafts import read_stamp
from proxy.ledger.tail import LONG_AGO

RUN = "run"
"""The kill mode in which writes may pass; every other stops them."""


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
class Kill:
    """
    The newest kill record of scope all.
    """

    mode: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """
    What the rest of the program is rebuilt from at a start.

    `events` replay into a store, in order, `writes` first; each time they are gone through, they are read anew.
    `open_intents` have no definite end, those of `parked` wait for a person.
    `credentials` has the newest act on each version of a sealed credential, by name and number.
    """

    writes: WritesChanged
    events: Iterable[Event]
    keys: tuple[AgentKey, ...]
    open_intents: tuple[IntentOpened, ...]
    parked: frozenset[str] = frozenset()
    torn_bytes: int = 0
    credentials: Mapping[tuple[str, int], str] = field(default_factory=dict)


@dataclass(slots=True)
class Views:
    """
    The fold over a log's entries.
    """

    origin: str = ""
    last_kind: str = ""
    last_said: str = ""
    kill: Kill | None = None
    keys: dict[str, AgentKey] = field(default_factory=dict)
    credentials: dict[tuple[str, int], str] = field(default_factory=dict)
    open: dict[int | str, OpenWrite] = field(default_factory=dict)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    owed: dict[int | str, OwedChange] = field(default_factory=dict)

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
                self.keys.setdefault(entry["kid"], AgentKey(entry["kid"], entry["agent"], entry["hash"]))
            case "key.revoked" if entry["kid"] in self.keys:
                self.keys[entry["kid"]] = replace(self.keys[entry["kid"]], revoked=True)
            case "credential.changed":
                self.credentials[entry["name"], entry["ver"]] = entry["how"]
            case "kill.changed" if entry["scope"] == "all" and (not self.kill or entry["epoch"] > self.kill.epoch):
                self.kill = Kill(entry["mode"], entry["epoch"])

    @property
    def last_ts(self) -> datetime:
        """
        Return the time of the last entry.
        """
        return read_stamp(self.last_said) if self.last_said else LONG_AGO

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
        Return what the program is rebuilt from, its events left to who reads them; without a kill record, writes are
        stopped.
        """
        kill = self.kill or Kill("stop-writes", 0)
        return Recovery(
            WritesChanged(stopped=kill.mode != RUN, epoch=kill.epoch),
            (),
            tuple(self.keys.values()),
            tuple(write.opened for write in self.open.values()),
            frozenset(write.opened.intent for write in self.open.values() if write.parked),
            torn_bytes,
            dict(self.credentials),
        )

    def unnamed(self) -> tuple[OpenWrite, ...]:
        """
        Return the writes in doubt of which no record says so yet.
        """
        return tuple(write for write in self.open.values() if not write.named)


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
    return IntentOpened(
        entry["call"], entry["prov"], entry["op"], agent, entry["task"], at, names, window_s, place, charges
    )


def _key(entry: Mapping[str, Any]) -> int | str:
    """
    Return under what a record about an intent finds it: its index, and its log's name where that is a former one.
    """
    index: int = entry["intent"]
    return index if entry.get("of") is None else f"{entry['of']}#{index}"
