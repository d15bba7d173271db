"""
The suggestions of one process: how each stands, and which writes join one.

A suggestion is found by its id and under two names: what its write says, and its agent's own key. It is joined while it
is live; what has ended is known for a day, so that whoever asks again is told how. Which stage may follow which is said
here once, for every store; `executing` is entered only where a write is reserved, and left by how that write ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from breakers.known import Names
from breakers.suggestion import LIVE, Grant, Stage, Suggested

KEPT = timedelta(days=1)
"""For how long it is known how a suggestion ended: a client that comes back does so within a day."""

SWEPT_A_CHANGE = 4
"""How many suggestions each change looks at to forget them: more than it can end."""

# A person's word, time and the world; never what only a reservation does.
_DECIDED = frozenset({Stage.OPEN, Stage.APPROVED, Stage.REJECTED, Stage.EXPIRED, Stage.VOID})
_NEXT: Mapping[Stage, frozenset[Stage]] = MappingProxyType(
    {Stage.OPEN: _DECIDED, Stage.APPROVED: _DECIDED, Stage.EXECUTING: frozenset({Stage.EXECUTED})}
)


def may_follow(before: Suggested, after: Suggested) -> bool:
    """
    Tell whether a suggestion may be turned into this: nothing leads out of an end, and nobody turns one to `executing`.
    """
    return after.id == before.id and after.stage in _NEXT.get(before.stage, frozenset())


def is_granted(known: Suggested | None, grant: Grant, at: datetime) -> bool:
    """
    Tell whether an approver's word is good at a moment: for what was shown, and in time.
    """
    return known is not None and known.stage is Stage.APPROVED and known.digest == grant.digest and at < known.expires


def taken(known: Suggested, intent: str, at: datetime) -> Suggested:
    """
    Return a suggestion that this intent carries out.
    """
    return replace(known, stage=Stage.EXECUTING, intent=intent, version=known.version + 1, changed_at=at)


def given_back(known: Suggested | None, intent: str, at: datetime) -> Suggested | None:
    """
    Return a suggestion of whose execution nothing is on record, or None where this intent does not carry it out.
    """
    if known is None or known.stage is not Stage.EXECUTING or known.intent != intent:
        return None
    return replace(known, stage=Stage.APPROVED, intent="", version=known.version + 1, changed_at=at)


def carried(known: Suggested | None, intent: str, at: datetime) -> Suggested | None:
    """
    Return a suggestion that an intent on record carries out, or None where that says nothing new.

    Of two intents of one suggestion the later one counts: the earlier lost its claim, so nothing of it was sent.
    """
    if known is None or known.stage in {Stage.REJECTED, Stage.EXPIRED, Stage.VOID} or intent <= known.intent:
        return None
    return taken(known, intent, at)


def finished(known: Suggested | None, intent: str, at: datetime) -> Suggested | None:
    """
    Return a suggestion whose intent has ended, or None where that says nothing new.
    """
    if known is None or known.stage is not Stage.EXECUTING or known.intent != intent:
        return None
    return replace(known, stage=Stage.EXECUTED, version=known.version + 1, changed_at=at)


def is_over(known: Suggested, at: datetime) -> bool:
    """
    Tell whether nothing need be known of a suggestion any more.
    """
    return known.stage not in LIVE and (known.changed_at or known.at) + KEPT <= at


def answering(under_key: Suggested | None, equal: Iterable[Suggested]) -> Suggested | None:
    """
    Return the one of these that a write is answered from: one that is live, by its key first; otherwise the newest.
    """
    every = [*([under_key] if under_key is not None else []), *equal]
    live = next((one for one in every if one.stage in LIVE), None)
    return live or max(every, key=newest, default=None)


def newest(one: Suggested) -> tuple[datetime, str]:
    """
    Return what suggestions are ordered by, the newest last.
    """
    return one.at, one.id


class Parked:
    """
    Every suggestion that is live, or ended within a day.
    """

    __slots__ = ("_by_id", "_by_name", "_carried", "_ended")

    def __init__(self) -> None:
        self._by_id: dict[str, Suggested] = {}
        self._by_name: dict[str, str] = {}
        # By intent: the suggestion that it carries out.
        self._carried: dict[str, str] = {}
        # In the order in which they ended.
        self._ended: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id_: str, at: datetime) -> Suggested | None:
        """
        Return how a suggestion stands.
        """
        known = self._by_id.get(id_)
        return None if known is None or is_over(known, at) else known

    def all(self, at: datetime) -> tuple[Suggested, ...]:
        """
        Return every one that is known, oldest first.
        """
        return tuple(sorted((one for one in self._by_id.values() if not is_over(one, at)), key=newest))

    def of(self, names: Names | None, at: datetime) -> Suggested | None:
        """
        Return the one that a write of these names is answered from.
        """
        if names is None or not self._by_name:
            return None
        equal = [one for name in names.fingerprints if (one := self._under(name, at)) is not None]
        return answering(None if names.key is None else self._under(names.key, at), equal)

    def suggest(self, new: Suggested, at: datetime) -> Suggested:
        """
        Note a suggestion, or return the one that its write joins.
        """
        self._sweep(at)
        standing = [self._under(name, at) for name in _names(new)]
        joined = self.get(new.id, at) or next((one for one in standing if one and one.stage in LIVE), None)
        if joined is None:
            self._put(new)
        return joined or new

    def turn(self, before: Suggested, after: Suggested, at: datetime) -> bool:
        """
        Put what a suggestion has become in its place, unless it has changed since it was seen.
        """
        self._sweep(at)
        known = self._by_id.get(before.id)
        if known is None or known.version != before.version or not may_follow(known, after):
            return False
        self._put(replace(after, version=before.version + 1))
        return True

    def noted(self, told: Suggested, at: datetime) -> None:
        """
        Take in how a suggestion stands by the record, unless it is known better, or was over long ago.
        """
        known = self._by_id.get(told.id)
        if (known is None and not is_over(told, at)) or (known is not None and told.version > known.version):
            self._put(told)

    def has(self, grant: Grant | None, at: datetime) -> bool:
        """
        Tell whether what a grant is for may be carried out now, where there is one.
        """
        return grant is None or is_granted(self._by_id.get(grant.suggestion), grant, at)

    def take(self, grant: Grant | None, call: str, at: datetime) -> None:
        """
        Have a call carry out what its grant is for.
        """
        if grant is not None:
            self._put(taken(self._by_id[grant.suggestion], call, at))

    def let_go(self, call: str, at: datetime) -> None:
        """
        Give back the grant of a call of which nothing is on record.
        """
        self._change(given_back(self._by_id.get(self._carried.get(call, "")), call, at))

    def opened(self, suggestion: str, intent: str, at: datetime) -> None:
        """
        Note that an intent is on record, and which suggestion it carries out, if any.
        """
        if suggestion:
            self._change(carried(self._by_id.get(suggestion), intent, at))

    def ended(self, intent: str, at: datetime) -> None:
        """
        Note that an intent has ended.
        """
        suggestion = self._carried.get(intent)
        if suggestion is not None:
            self._change(finished(self._by_id.get(suggestion), intent, at))

    def _under(self, name: str, at: datetime) -> Suggested | None:
        id_ = self._by_name.get(name)
        return None if id_ is None else self.get(id_, at)

    def _change(self, after: Suggested | None) -> None:
        if after is not None:
            self._put(after)

    def _put(self, one: Suggested) -> None:
        before = self._by_id.get(one.id)
        if before is not None and before.intent != one.intent:
            self._carried.pop(before.intent, None)
        self._by_id[one.id] = one
        if one.stage is Stage.EXECUTING:
            self._carried[one.intent] = one.id
        else:
            self._carried.pop(one.intent, None)
        if one.stage not in LIVE:
            self._ended.append(one.id)
        for name in _names(one):
            other = self._by_id.get(self._by_name.get(name, one.id), one)
            if (one.stage in LIVE, *newest(one)) >= (other.stage in LIVE, *newest(other)):
                self._by_name[name] = one.id

    def _sweep(self, at: datetime) -> None:
        for _ in range(SWEPT_A_CHANGE):
            if not self._ended:
                break
            known = self._by_id.get(self._ended[0])
            if known is not None and known.stage not in LIVE and not is_over(known, at):
                break
            self._ended.popleft()
            if known is not None and is_over(known, at):
                self._forget(known)

    def _forget(self, one: Suggested) -> None:
        del self._by_id[one.id]
        for name in _names(one):
            if self._by_name.get(name) == one.id:
                del self._by_name[name]


def _names(one: Suggested) -> tuple[str, ...]:
    return (one.fingerprint,) if one.key is None else (one.key, one.fingerprint)
