"""
The suggestions, where several processes share how they stand.

| key | what it holds |
|---|---|
| `suggestions` | by id, how a suggestion stands |
| `suggested` | by name of a write, the suggestion that it is answered from |
| `parting` | those that have ended, by when they are forgotten |

A record is a line that scripts compare and change (`lua/suggesting.lua`): its stage, its version and its intent are
there alone; then the names of its write, then what only we read. Grants are good by the server's clock.

What this process has seen that is live is told to a server that lost it. A suggestion that its own ledger tells of is
its own: where one is `executing` and there is no record of its intent, not even a claim, nothing of it was sent, and it
is given back.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from urllib.parse import quote, unquote

import orjson

from breakers.call import Call
from breakers.known import Ended, Names, State
from breakers.store.events import IntentOpened
from breakers.store.gauged import permits
from breakers.store.link import Shared, reading, text
from breakers.store.packed import micros, millis, moment
from breakers.store.parked import KEPT, answering, is_over, may_follow, newest
from breakers.suggestion import LIVE, Stage, Suggested

SHELF = ("suggestions", "suggested", "parting")
NOTHING = "-"
"""What stands where there is no text, because words are told apart by blanks."""

Told = str | int | bytes


class Suggestions:
    """
    How suggestions stand, over what is shared.
    """

    def __init__(self, shared: Shared, now: Callable[[], datetime]) -> None:
        self._shared, self._now = shared, now
        # Those that are live, as they were last seen; and of which this process has the content.
        self._live: dict[str, Suggested] = {}
        self._own: set[str] = set()
        # By id: what was asked for and has no answer yet, from what to what.
        self._turning: dict[str, tuple[Suggested, Suggested]] = {}

    def __repr__(self) -> str:
        return f"<Suggestions {self._shared.tag} live={len(self._live)} own={len(self._own)}>"

    async def start(self, told: Iterable[Suggested]) -> None:
        """
        Tell the server what a ledger says of suggestions, and which this process has seen that are live.
        """
        own, at = tuple(told), self._now()
        # Of others' whoever has the content saw to the end long ago, and may have forgotten it by now.
        stale = [one.id for one in self._live.values() if one.id not in self._own and one.expires + KEPT <= at]
        for id_ in stale:
            del self._live[id_]
        for one in (*own, *tuple(self._live.values())):
            await self.replay(one)
        self._own.update(one.id for one in own if one.id in self._live)

    async def replay(self, one: Suggested) -> None:
        """
        Note how a suggestion stands, unless it is known better, or was over long ago.
        """
        if not is_over(one, self._now()):
            with reading():
                self._read(one.id, await self._shared.run("noted", SHELF, one.id, *self._told(one)))

    async def own(self, one: Suggested) -> None:
        """
        Note how a suggestion stands by this process's own ledger.
        """
        self._own.add(one.id)
        await self.replay(one)

    async def suggest(self, new: Suggested) -> Suggested:
        """
        Note a suggestion, or return the one that its write joins.
        """
        with reading():
            keys = ("epoch", *SHELF)
            word, *rest = await self._shared.run("suggest", keys, self._shared.epoch, new.id, *self._told(new))
            if word == b"lost":
                raise self._shared.lost()
            id_, value = rest
            one = unpack_suggested(text(id_), value)
            self._note(one)
        if one.id == new.id:
            self._own.add(new.id)
        return one

    async def get(self, id_: str) -> Suggested | None:
        """
        Return how a suggestion stands.
        """
        found = await self._found(id_)
        return found[0] if found else None

    async def all(self) -> tuple[Suggested, ...]:
        """
        Return every one that is known, oldest first.
        """
        return tuple(sorted(await self._found(""), key=newest))

    async def turn(self, before: Suggested, after: Suggested) -> bool:
        """
        Put what a suggestion has become in the place of what the caller has seen.

        What was asked for before and not answered is not made twice: it was made if it stands there.
        """
        if not may_follow(before, after):
            return False
        tried = self._turning.pop(before.id, None)
        is_again = tried is not None and tried == (before, after)
        told = (before.id, *self._told(after, version=before.version + 1), str(before.stage))
        try:
            with reading():
                word, *rest = await self._shared.run("turn", ("epoch", *SHELF), self._shared.epoch, *told)
                if word == b"lost":
                    raise self._shared.lost()
                one = self._read(before.id, *rest)
        except BaseException:
            self._turning[before.id] = (before, after)
            raise
        return word == b"turned" or (is_again and one is not None and _is_made(one, before, after))

    def of(self, names: Names | None, found: Sequence[bytes | None]) -> Suggested | None:
        """
        Return the one that a write of these names is answered from, by what a script found under them.
        """
        at = self._now()
        pairs = zip(found[::2], found[1::2], strict=True)
        read = [self._read(text(id_), value) for id_, value in pairs]
        every = [one for one in read if one is not None and not is_over(one, at)]
        key = None if names is None else names.key
        under_key = next((one for one in every if one.key == key and key is not None), None)
        return answering(under_key, every)

    def took(self, id_: str, value: bytes | None) -> None:
        """
        Note what a script has made of a suggestion.
        """
        if id_ and value:
            self._read(id_, value)

    async def carry(self, opened: IntentOpened, ended: Ended | None) -> None:
        """
        Note by a ledger that an intent carries out a suggestion, and whether it has ended.
        """
        if opened.suggestion:
            has_ended = ended is not None and ended.state is State.COMPLETED
            at = ended.at if ended is not None and has_ended else opened.at
            value = await self._shared.run("carry", SHELF, opened.suggestion, opened.intent, int(has_ended), micros(at))
            self.took(opened.suggestion, value)

    async def give_back(self, known: Container[str] | None = None) -> None:
        """
        Give back those of this process that are carried out by an intent of which there is no record.

        `known` are the intents that its ledger tells of, where it begins: nothing of any other was sent.
        """
        mine = [one for id_ in self._own if (one := self._live.get(id_)) is not None and one.stage is Stage.EXECUTING]
        for one in mine:
            if known is None or one.intent not in known:
                keys = ("breakers", *SHELF, f"intent:{one.intent}")
                told = (one.intent, micros(self._now()), one.id, int(known is None), *permits(()))
                _, value = await self._shared.run("giveback", keys, *told)
                if value is None:
                    # Something else became of it meanwhile.
                    value = await self._shared.ask("HGET", "suggestions", one.id)
                self.took(one.id, value)

    async def _found(self, id_: str) -> list[Suggested]:
        with reading():
            word, *rest = await self._shared.run("suggestions", ("epoch", "suggestions"), self._shared.epoch, id_)
            if word == b"lost":
                raise self._shared.lost()
            (fields,) = rest
            pairs = zip(fields[::2], fields[1::2], strict=True)
            read = [self._read(key.decode(errors="backslashreplace"), value) for key, value in pairs]
        at = self._now()
        return [one for one in read if one is not None and not is_over(one, at)]

    def _read(self, id_: str, value: bytes | None) -> Suggested | None:
        """
        Return a suggestion as it was found; what cannot be read is as if it were not there.
        """
        try:
            one = None if value is None else unpack_suggested(id_, value)
        except (ValueError, TypeError, OverflowError):
            return None
        if one is not None:
            self._note(one)
        return one

    def _note(self, one: Suggested) -> None:
        if one.stage in LIVE:
            self._live[one.id] = one
        else:
            self._live.pop(one.id, None)
            self._own.discard(one.id)

    def _told(self, one: Suggested, version: int | None = None) -> tuple[Told, ...]:
        left_ms = millis(one.expires) - millis(self._now())
        return (
            *(str(one.stage), one.version if version is None else version, worded(one.digest)),
            *(micros(one.at), left_ms),
            *(0 if one.changed_at is None else micros(one.changed_at), worded(one.intent)),
            *(" ".join(names_of(one)), pack_suggested(one)),
        )


def names_of(one: Suggested) -> tuple[str, ...]:
    """
    Return what a suggestion's write is found by.
    """
    return tuple(worded(name) for name in ((one.fingerprint,) if one.key is None else (one.key, one.fingerprint)))


def asked_by(call: Call) -> tuple[str, ...]:
    """
    Return what a suggestion of this write may be found by.
    """
    names = call.names
    if names is None:
        return ()
    return tuple(worded(name) for name in (*(() if names.key is None else (names.key,)), *names.fingerprints))


def worded(said: str) -> str:
    """
    Return a text as one word, which has no blank.
    """
    if said in {"", NOTHING}:
        return NOTHING if not said else "%2D"
    return quote(said, safe=":")


def unworded(word: str) -> str:
    """
    Return the text that a word was made of.
    """
    return "" if word == NOTHING else unquote(word)


def pack_suggested(one: Suggested) -> bytes:
    """
    Return what scripts do not read of a suggestion, as one line.
    """
    return orjson.dumps([
        *(one.agent, one.task, one.api, one.operation, one.fingerprint, one.key, micros(one.expires)),
        *(one.answers, one.roles, one.by, one.why, one.place, one.waits, one.shadow),
    ])  # fmt: skip


def unpack_suggested(id_: str, value: bytes) -> Suggested:
    """
    Return how a suggestion stands. Raise `ValueError` or `TypeError` where it is not what was packed.
    """
    head, _, line = value.split(b"\n")
    stage, version, digest, at_us, _, _, changed_us, intent = head.decode().split(" ")
    agent, task, api, operation, fingerprint, key, expires_us, *more = orjson.loads(line)
    answers, roles, by, why, place, *flags = more
    waits, shadow = flags
    words = (agent, task, api, operation, fingerprint, by, why, place, *_list(answers), *_list(roles))
    if not all(isinstance(one, str) for one in words) or not (key is None or isinstance(key, str)):
        raise TypeError("this is no record of a suggestion")
    if not all(isinstance(one, bool) for one in flags):
        raise TypeError("this is no record of a suggestion")
    return Suggested(
        id_,
        *(agent, task, api, operation, fingerprint, moment(int(at_us)), moment(expires_us)),
        unworded(digest),
        tuple(answers),
        key=key,
        roles=tuple(roles),
        stage=Stage(stage),
        version=int(version),
        changed_at=None if changed_us == "0" else moment(int(changed_us)),
        by=by,
        why=why,
        intent=unworded(intent),
        place=place,
        waits=waits,
        shadow=shadow,
    )


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("this is no list")
    return value


def _is_made(one: Suggested, before: Suggested, after: Suggested) -> bool:
    """
    Tell whether a suggestion stands as it was to be turned, packed and read.
    """
    told = (after.stage, before.version + 1, after.digest, after.by, after.why, after.intent)
    return (one.stage, one.version, one.digest, one.by, one.why, one.intent) == told and one.answers == after.answers
