"""
The replicas of a fleet: who belongs to it, who is here, and when nothing is missing any more after a loss of data.

Each replica has on record (its `Roll`) whom it knows of; that is the last known set, and survives Redis. A loss is
noticed by each for itself: by scripts, which compare the epoch, by the connection, which compares the server, by a look
every second at what the server says of itself, and where one's own row is gone. From that moment its process holds
nothing and dispatches nothing, on whichever server; only then it begins, reads its ledger, and tells it.

    begin   a new epoch is being built: who belongs to the fleet is `expected`, by everyone's last known set
            Stop here: nobody holds a write, and the others wait for this replica. It begins again.
    replay  what its ledger says, its stops first
            Stop here: as before; to tell it again says nothing new.
    ready   told; whoever is told last opens the epoch for all
            Stop here: the others go on; this one's next start finds the epoch open, and tells what it knows.

What is told lands on the server that was asked to begin, because the link knows no other from `begin` on; where that
one loses data meanwhile, `ready` finds another epoch, and all of it begins anew. What was dispatched before the loss is
on record before `begin`, and so is told; what was in flight is `carried` and stays so.

**Joining.** A write that only one ledger knows of must not be missed by anyone who rebuilds: so a replica holds none
before everyone who belongs to the fleet has it on record, and it them. Each records whom it hears of before it says
that it `knows` them.

**Forgetting** is for good: names that were forgotten are a set that only grows, so that it may be told in any order.
The epoch turns (`BASE/1`), so that whoever was forgotten holds by what is no more; the others take the next one up,
because nothing was lost under its base. Whoever comes back has another name, and joins like a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from breakers.store.link import EMPTIED, Purpose, Server, Shared, reading, text
from breakers.store.members import SILENT_S, Known, Member, Presence, Roll, id_of
from breakers.store.packed import micros, moment
from breakers.store.protocol import StoreUnavailable

WIPED_AT_ONCE = 256
"""Keys that go in one step, so that nobody waits for it."""

ROUNDS = 8
"""How often a replay is begun anew because of what it found: somebody wipes, or this one was forgotten."""

_OTHER_NAMES = "others of this deployment have another key ring: give each the same `keyring`, or its own deployment"
_LOST = "the shared state was lost: waiting for {} to tell what {}"
_JOINING = "this replica is new here: waiting for {} to have it on record"

# What is no view over a ledger: who is here, and what replicas say to each other.
_KEPT = ("wiping", "names-by", "members", "knows", "forgotten", "board", "letters:", "reply:")

# What an end is told into: none of it says anything without the others.
_OF_ENDS = ("intent:", "name:", "hold:", "total:")

_KEYS = ("epoch", "building")


class Belonging:
    """
    What one process of a fleet knows of the others, and into what it has told its ledger.

    `lost` says why what was told is gone: one of `server`, `evicted`, `missing`, `emptied`, `forgotten`; empty where it
    is not. `begun` tells that `begin` was, and nothing told since.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.roll: Roll | None = None
        self.heard: tuple[Member, ...] = ()
        self.lost = ""
        # What was begun last, and whether nothing was read of the ledger since; what all of it was told into.
        self._base, self.begun, self._told = "", False, ""
        self._server, self._trusted = Server(""), ""
        # Which server was seen to evict: once it was restarted it counts from nothing, and lacks what it lacked.
        self._evicting = ""
        self._began = 0

    def __repr__(self) -> str:
        return f"<Belonging {len(self.heard)} heard of, told={self._told!r} lost={self.lost!r}>"

    @property
    def untold(self) -> bool:
        """
        Tell whether the ledger has to be told again.
        """
        return not self._told

    @property
    def known(self) -> Known:
        """
        Return whom this replica has on record; nobody, where it is none.
        """
        return Known("") if self.roll is None else self.roll.known

    async def begin(self, names_by: str) -> None:
        """
        Begin to tell the ledger.

        Whatever is read of the ledger after this has all that was told elsewhere before.
        """
        self._shared.freeze()
        self._base, self.begun, self._told = "", False, ""
        await self._trust()
        wiped = ""
        for _ in range(ROUNDS):
            begun = await self._begun(names_by, wiped)
            if begun is None:
                raise StoreUnavailable(_OTHER_NAMES)
            with reading():
                word, *rest = (text(one) for one in begun)
            match word, rest:
                case "begun", [base, why]:
                    self._base, self.begun, self._evicting = base, True, ""
                    if why and (why != "new" or self.known.joined):
                        self.lost = self.lost or ("emptied" if why == "new" else why)
                    return
                case "wipe", [wiped]:
                    await self._wipe(wiped)
                case _:
                    assert self.roll is not None
                    await self.roll.returned()
        raise StoreUnavailable("who belongs to the fleet did not hold still")

    def told(self) -> None:
        """
        Note that all of the ledger was told. Raise `StoreUnavailable` where that was lost meanwhile.
        """
        self._told = self._base
        if not self._told:
            raise StoreUnavailable(EMPTIED)

    async def enter(self) -> str | None:
        """
        Hold writes under the epoch, where it is open and this replica may; otherwise return what they wait for.
        """
        told, known = self._told, self.known
        keys = (*_KEYS, "members", "knows", "forgotten", "expected", "replayed")
        answer = await self._shared.run("ready", keys, told, id_of(known.name), known.name)
        with reading():
            word, *rest = (text(one) for one in answer)
        if word == "open" and not self.known.joined and self.roll is not None:
            # Stop here: the others take it for one of them, and it has not written. Its next start asks again.
            await self.roll.joined()
        if self._told != told or not told or self.known.name != known.name:
            return self._shared.why
        match word:
            case "open":
                self.lost, self._shared.why = "", EMPTIED
                self._shared.opened(rest[0])
                return None
            case "building":
                self._shared.why = _LOST.format(listed(rest), "it knows" if len(rest) == 1 else "they know")
            case "joining":
                self._shared.why = _JOINING.format(listed(rest))
            case _:
                self.lose("forgotten" if word == "forgotten" else "emptied")
        return self._shared.why

    def lose(self, why: str) -> None:
        """
        Take what was told for lost: from here on nothing is held.
        """
        self._shared.freeze()
        self._base, self.begun, self._told = "", False, ""
        self.lost, self._shared.why = self.lost or why, EMPTIED

    async def look(self) -> str | None:
        """
        See whether the server is the one that was told and keeps what it has; return in words where it does not.
        """
        link, was = self._shared.link, self._server
        try:
            now = await link.look()
        finally:
            if link.moved:
                self.lose("server")
        if was.id and (now.id != was.id or now.role != "master" or now.promoted not in {"", was.promoted}):
            # It may lack the last of what was acknowledged.
            self.lose("server")
        elif was.id and now.evicted > was.evicted:
            self._evicting = now.id
            self.lose("evicted")
        return unsafe(now)

    async def compare(self) -> None:
        """
        See whether what this replica holds by is there still.
        """
        found: bytes | None = await self._shared.ask("GET", "epoch", purpose=Purpose.BEHIND)
        if found is None or found.decode(errors="replace") != self._shared.epoch:
            self._shared.freeze()

    async def beat(self, presence: Presence, *, stops: bool = False) -> bool:
        """
        Say that this replica is here, and hear who else is; return whether somebody new was put on record.
        """
        known = self.known
        if not known.name or not self._base:
            return False
        told = (id_of(known.name), known.name, int(stops), _pack(presence), spelled(known.names))
        by = self._shared.epoch
        answer = await self._shared.run("beat", ("epoch", "members", "knows", "forgotten"), *told)
        with reading():
            word, *rest = answer
            if word != b"heard":
                # It has lost who is here, or that one was forgotten.
                self.lose("forgotten" if word == b"forgotten" else "emptied")
                return False
            now_ms, epoch, rows, gone = rest
            pairs = zip(rows[::2], rows[1::2], strict=True)
            self.heard = tuple(sorted((_read(text(id_), row, now_ms) for id_, row in pairs), key=_by_id))
            held, forgotten = text(epoch), frozenset(text(one) for one in gone)
        # What was opened meanwhile may not have been open when it answered.
        if by == self._shared.epoch and held != by:
            self._shared.freeze()
        return await self._take_note(forgotten)

    async def forget(self, name: str, *, asks: bool) -> float | None:
        """
        Forget a replica, or, where that is only asked, return for how long it was silent if it may be here; else None.

        Whoever forgets one has that on record before.
        """
        known = self.known
        told = (id_of(name), name, round(SILENT_S * 1000), int(asks), id_of(known.name), spelled(known.names))
        answer = await self._shared.run("forget", (*_KEYS, "members", "knows", "forgotten"), *told)
        with reading():
            return int(answer[1]) / 1000 if text(answer[0]) == "here" else None

    async def _trust(self) -> None:
        link = self._shared.link
        id_ = await link.server()
        if link.moved or self._trusted != id_:
            link.trust(id_)
            self._trusted = id_
        server = await link.look()
        if (why := unsafe(server)) is not None:
            raise StoreUnavailable(why)
        self._server = server

    async def _begun(self, names_by: str, wiped: str) -> Sequence[bytes] | None:
        known, server = self.known, self._server
        self._began += 1
        unlike, lacks = f"{known.name}.{self._began}", self._evicting not in {"", server.id}
        keys = (
            *(*_KEYS, "names-by", "server", "evicted", "versions", "wiping"),
            *("members", "knows", "forgotten", "expected", "replayed"),
        )
        said = (id_of(known.name), known.name, int(known.joined), _pack(Presence()))
        told = (names_by, f"{server.id}/{server.promoted}", server.evicted, unlike, wiped, *said)
        begun: Sequence[bytes] | None = await self._shared.run(
            "begin", keys, *told, spelled(known.names), spelled(known.forgotten), int(lacks)
        )
        return begun

    async def _wipe(self, token: str) -> None:
        """
        Throw away what is told anew, where anything of it may be missing.

        An end that comes meanwhile may lose a part of what it wrote, and would pass for known: so that goes as well.
        """
        for _ in range(ROUNDS):
            if not await self._swept(token):
                return

    async def _swept(self, token: str) -> bool:
        """
        Throw away what is there, once; tell whether any of it says how a call ended.
        """
        tag, cursor, ends = self._shared.tag, "0", False
        while True:
            told = ("MATCH", f"{tag}*", "COUNT", str(WIPED_AT_ONCE))
            found = await self._shared.link.ask("SCAN", cursor, *told, purpose=Purpose.BEHIND)
            with reading():
                cursor, keys = text(found[0]), [text(key).removeprefix(tag) for key in found[1]]
            gone = [key for key in keys if not key.startswith(_KEPT)]
            if gone and not await self._shared.run("wipe", ("wiping", *gone), token):
                return False
            ends = ends or any(key.startswith(_OF_ENDS) for key in gone)
            if cursor == "0":
                return ends

    async def _take_note(self, forgotten: frozenset[str]) -> bool:
        """
        Put on record who was heard of and who was forgotten.
        """
        if self.roll is None:
            return False
        known, names = self.known, frozenset(member.name for member in self.heard)
        if gone := (forgotten & known.names) - {known.name}:
            await self.roll.heard_forgotten(gone)
        if new := names - known.names - known.forgotten - forgotten - {known.name}:
            await self.roll.learned(new)
        return bool(new)


class InFleet:
    """
    The part of a shared store that others ask its fleet for.
    """

    def __init__(self, fleet: Belonging) -> None:
        self.fleet = fleet

    @property
    def untold(self) -> bool:
        """
        Return whether the ledger has to be told again.
        """
        return self.fleet.untold

    @property
    def lost(self) -> str:
        """
        Return why what was told is gone.
        """
        return self.fleet.lost

    async def begin(self, *, names_by: str = "", roll: Roll | None = None) -> None:
        self.fleet.roll = roll
        await self.fleet.begin(names_by)

    def members(self) -> tuple[Member, ...]:
        return self.fleet.heard

    async def beat(self, presence: Presence, *, stops: bool = False) -> None:
        # Whoever was put on record learns of that at once.
        if await self.fleet.beat(presence, stops=stops):
            await self.fleet.beat(presence, stops=stops)

    async def forget(self, name: str, *, asks: bool) -> float | None:
        return await self.fleet.forget(name, asks=asks)


def unsafe(server: Server) -> str | None:
    """
    Return in words why a server may throw away what it holds, or None.
    """
    if server.policy == "noeviction":
        return None
    return f"Redis may throw away what it holds: its maxmemory-policy is `{server.policy}`, set it to `noeviction`"


def spelled(names: frozenset[str]) -> str:
    """
    Return names as scripts find one among them: a space on each side of each.
    """
    return f" {' '.join(sorted(names))} "


def listed(names: Sequence[str]) -> str:
    """
    Return whose names these are, for a sentence.
    """
    ids = sorted({id_of(name) for name in names})
    return f"replica{'s' if len(ids) > 1 else ''} {', '.join(ids)}"


def _by_id(member: Member) -> str:
    return member.id


def _pack(presence: Presence) -> bytes:
    applied, last = (None if at is None else micros(at) for at in (presence.applied_at, presence.last_dispatch))
    return orjson.dumps({
        "host": presence.host,
        "pid": presence.pid,
        "software": presence.software,
        "config": presence.config,
        "kill_epoch": presence.kill_epoch,
        "applied_at": applied,
        "in_flight": presence.in_flight,
        "last_dispatch": last,
    })  # fmt: skip


def _read(id_: str, row: bytes, now_ms: int) -> Member:
    head, said = row.split(b"\n", 1)
    name, stopped, heard, since, admitted = head.decode("ascii").split(" ")
    state = "stopped" if stopped == "1" else "here" if admitted == "1" else "joining"
    times = (moment(int(heard) * 1000), moment(int(since) * 1000), max(0.0, (now_ms - int(heard)) / 1000))
    return Member(id_, name, state, *times, _presence({**orjson.loads(said)}))


def _presence(said: Mapping[str, Any]) -> Presence:
    # A replica of another version may say less, or more: an upgrade is one after the other. Whoever says nothing of the
    # stop has applied none.
    us = (said.get(one) for one in ("applied_at", "last_dispatch"))
    applied, last = (None if one is None else moment(int(one)) for one in us)
    host, software, config = (str(said.get(one, "")) for one in ("host", "software", "config"))
    pid, kill_epoch, in_flight = (int(said.get(one, 0)) for one in ("pid", "kill_epoch", "in_flight"))
    return Presence(host, pid, software, config, kill_epoch, applied, in_flight, last)
