"""
What the log says, folded: agent keys, intents whose outcome is not known, whether writes may pass, each task's links.

Every view is thrown away at a stop and folded again at a start; nothing here is written anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from breakers.call import Applied
from breakers.store.protocol import Event, IntentEnded, IntentOpened, WritesChanged
from proxy.keys import AgentKey
from proxy.ledger.drafts import read_stamp
from proxy.ledger.tail import LONG_AGO

RUN = "run"
"""The kill mode in which writes may pass; every other stops them."""


@dataclass(frozen=True, slots=True)
class OpenWrite:
    """
    A write without a definite outcome. `origin` names the former log where its intent stands there, `named` tells
    whether a `recovery.opened` says so, `unknown` whether an outcome does.
    """

    opened: IntentOpened
    index: int
    origin: str | None = None
    named: bool = False
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class OwedChange:
    """
    A write that took effect and of whose change there is no record yet: its intent's entry, the outcome's index.
    """

    intent: Mapping[str, Any]
    outcome: int


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

    `events` replay into a store, in order: an intent without outcome is opened and then ended as unknown.
    `credentials` has the newest act on each version of a sealed credential, by name and number.
    """

    events: tuple[Event, ...]
    keys: tuple[AgentKey, ...]
    open_intents: tuple[IntentOpened, ...]
    torn_bytes: int = 0
    credentials: Mapping[tuple[str, int], str] = field(default_factory=dict)


@dataclass(slots=True)
class Views:
    """
    The fold over a log's entries.
    """

    origin: str = ""
    last_kind: str = ""
    last_ts: datetime = LONG_AGO
    kill: Kill | None = None
    keys: dict[str, AgentKey] = field(default_factory=dict)
    credentials: dict[tuple[str, int], str] = field(default_factory=dict)
    open: dict[int | str, OpenWrite] = field(default_factory=dict)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    owed: dict[int, OwedChange] = field(default_factory=dict)
    _touching: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def see(self, index: int, leaf: bytes, entry: Mapping[str, Any]) -> None:
        """
        Take the next entry into the views.
        """
        kind = entry["k"]
        self.last_kind, self.last_ts = kind, read_stamp(entry["ts"])
        self.chains[entry["task"]] = (entry["tn"] + 1, leaf)
        match kind:
            case "log.opened":
                self.origin = entry["origin"]
            case "call.intent":
                self.open[index] = OpenWrite(_opened(entry), index)
                if entry.get("touches"):
                    self._touching[index] = entry
            case "call.outcome":
                self._ended(index, entry)
            case "change.recorded" if entry.get("of") is None:
                self.owed.pop(entry["intent"], None)
            case "recovery.opened":
                self._named(entry)
            case "key.minted":
                self.keys.setdefault(entry["kid"], AgentKey(entry["kid"], entry["agent"], entry["hash"]))
            case "key.revoked" if entry["kid"] in self.keys:
                self.keys[entry["kid"]] = replace(self.keys[entry["kid"]], revoked=True)
            case "credential.changed":
                self.credentials[entry["name"], entry["ver"]] = entry["how"]
            case "kill.changed" if entry["scope"] == "all" and (not self.kill or entry["epoch"] > self.kill.epoch):
                self.kill = Kill(entry["mode"], entry["epoch"])

    def _ended(self, at: int, entry: Mapping[str, Any]) -> None:
        index = entry.get("intent")
        if index is None or index not in self.open:
            return
        if entry["eff"] == Applied.UNKNOWN:
            self.open[index] = replace(self.open[index], unknown=True)
            return
        del self.open[index]
        touching = self._touching.pop(index, None)
        if touching is not None and entry["eff"] == Applied.APPLIED:
            self.owed[index] = OwedChange(touching, at)

    def _named(self, entry: Mapping[str, Any]) -> None:
        index, origin = entry["intent"], entry.get("of")
        if origin is not None:
            # A write of a former log is known here only by its record.
            name = f"{origin}#{index}"
            self.open.setdefault(name, OpenWrite(_opened(entry), index, origin, named=True))
        elif index in self.open:
            self.open[index] = replace(self.open[index], named=True)

    def recovery(self, torn_bytes: int = 0) -> Recovery:
        """
        Return what the program is rebuilt from; without a kill record, writes are stopped.
        """
        kill = self.kill or Kill("stop-writes", 0)
        opened = tuple(write.opened for write in self.open.values())
        events: list[Event] = [WritesChanged(stopped=kill.mode != RUN, epoch=kill.epoch)]
        for intent in opened:
            events += [intent, IntentEnded(intent.intent, unknown=True)]
        return Recovery(tuple(events), tuple(self.keys.values()), opened, torn_bytes, dict(self.credentials))

    def unnamed(self) -> tuple[OpenWrite, ...]:
        """
        Return the writes that have no outcome and of which no record says so yet.
        """
        return tuple(write for write in self.open.values() if not write.named and not write.unknown)


def _opened(entry: Mapping[str, Any]) -> IntentOpened:
    return IntentOpened(
        intent=entry["call"],
        api=entry["prov"],
        operation=entry["op"],
        agent=entry["act"]["agent"],
        task=entry["task"],
        at=read_stamp(entry["at"]),
    )
