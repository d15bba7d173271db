"""
The ways to find out how a write ended, each one asking of its upstream: send it again, list, look at the object.

| way | where | what it proves |
|---|---|---|
| `resend` | the vendor certainly remembers the key, and the very bytes are on record | its answer is the end |
| `list` | the catalogue says what to list | that what it made is there, or not |
| `state` | the request names the object that it is about | that the object is as the write wanted it, or as it was |

Every way may fail, and then proves nothing. What a way saw goes on record with what it proves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from breakers.call import Outcome
from breakers.known import IN_DOUBT, Earlier
from breakers.retries import key_holds
from breakers.store.protocol import Permit
from breakers.touching import Key, key_of
from config.catalog import Find, Source
from config.recipes import ANSWER
from proxy.doubt.candidates import SKEW, Picked, Sought, made_at, pick
from proxy.doubt.claims import claims_of, tells_apart
from proxy.doubt.course import Course, Evidence, Found, Terms
from proxy.doubt.identity import Identities
from proxy.doubt.listing import Listed, read_list
from proxy.doubt.reading import Reader
from proxy.doubt.recorded import Doubt
from proxy.doubt.restore import Answer, object_answer
from proxy.doubt.state import UNSEEN, Wanted, judge, wanted_by
from proxy.images import parse_image, spell_image
from proxy.markers import spelled
from proxy.passes import Redo
from proxy.rooms import Rooms
from proxy.sight import Plan
from proxy.wire import Wire

NO_TIME = timedelta()

RESEND, LIST, STATE = "resend", "list", "state"

# What vendors that give an answer again say of it, as far as their dialect lets it be seen.
REPLAYED = "idempotent-replayed"

HIDDEN = "the credential was changed since: what is not shown may only be hidden from it"

SHOWN_MAX = 3
"""Of the things that may be it, as many go on record whole: more than a person compares."""


@dataclass(frozen=True, slots=True)
class Told:
    """
    What one way said: its evidence, the answer that can be given from it, what it `seen` as JSON.

    `never_store` are the members that must not be kept of that, `later_s` is how long the API asks to wait.
    """

    way: str
    evidence: Evidence
    answer: Answer | None = None
    seen: bytes = b""
    never_store: tuple[str, ...] = ()
    failed: str | None = None
    later_s: float | None = None


@dataclass(frozen=True, slots=True)
class Resent:
    """
    What came of sending a write again; `left` tells whether it may have left.
    """

    outcome: Outcome
    left: bool


def ways_of(doubt: Doubt) -> tuple[str, ...]:
    """
    Return the ways in which this write can be looked for at all, in their order.
    """
    spec = doubt.spec
    found = [RESEND] if doubt.wire is not None and doubt.wire.keyed and spec.key_kept_s else []
    if spec.find is not None:
        found.append(LIST)
    # Where its catalogue says why nothing tells whether it was done, its object does not either.
    if not spec.unfound and _main_key(doubt) is not None and _wanted(doubt, {}).visible:
        found.append(STATE)
    return tuple(found)


def may_resend(doubt: Doubt, now: datetime) -> bool:
    """
    Tell whether the vendor certainly still remembers the key under which the write left.
    """
    return RESEND in ways_of(doubt) and key_holds(doubt.call.at, doubt.spec.key_kept_s, now)


def is_replay(outcome: Outcome) -> bool:
    """
    Tell whether an answer says of itself that it is an earlier one, given again under the same key.
    """
    return any(name.lower() == REPLAYED and value.lower() == "true" for name, value in outcome.headers)


async def resend(doubt: Doubt, wire: Wire, rooms: Rooms) -> Resent:
    """
    Send the same bytes under the same key, unless writes are stopped or another has ended it.
    """
    asked = _Permits(doubt, rooms)
    call = doubt.call
    redo = Redo(call.id, call.api, call.request.base, doubt.spec, call.at, asked.permit, call)
    return Resent(await rooms.forward.resend(redo, wire), asked.granted)


class _Permits:
    """
    Whether a write in doubt may leave again, asked before each first byte.
    """

    def __init__(self, doubt: Doubt, rooms: Rooms) -> None:
        self._doubt, self._rooms = doubt, rooms
        self.granted = False

    async def permit(self) -> Permit:
        """
        Say whether it may leave now.
        """
        if self._rooms.stopping or not await self._rooms.killswitch.may_leave(self._doubt.call):
            return Permit.STOPPED
        known: Earlier | None = await self._rooms.store.earlier(self._doubt.opened.intent)
        if known is None or known.state not in IN_DOUBT:
            return Permit.LOST
        self.granted = True
        return Permit.GRANTED


async def look(doubt: Doubt, course: Course, terms: Terms, who: Identities, rooms: Rooms) -> Told:
    """
    Ask by reading, in the first way that this write can be looked for; without one, nothing is learned.
    """
    ways, reader = ways_of(doubt), Reader(doubt, rooms)
    if LIST in ways and doubt.spec.find is not None:
        told = await _by_list(doubt.spec.find, course, terms, who, reader)
        return replace(told, later_s=reader.later_s)
    if STATE in ways:
        return replace(await _by_state(reader), later_s=reader.later_s)
    return Told(RESEND, Evidence(Found.FAILED, rooms.clock.now()))


async def _by_list(find: Find, course: Course, terms: Terms, who: Identities, reader: Reader) -> Told:
    began, doubt = reader.rooms.clock.now(), reader.doubt
    ours = await who.of(reader) if find.creator is not None else None
    if find.creator is not None and ours is None:
        return Told(LIST, Evidence(Found.FAILED, began), failed="who we are there could not be read")
    operation, shown = doubt.call.operation, dict(find.claims)
    marker = doubt.spec.marker if doubt.marked else None
    tells = tells_apart(operation, shown, {(source.origin, source.name) for _, source in find.listing.sources})
    sought = Sought(
        doubt.opened.intent,
        find,
        since=doubt.call.at - SKEW,
        over_at=course.over_at(terms),
        claims=claims_of(operation, shown) if tells else (),
        marker=marker,
        who=ours,
        certain=_same_credential(doubt, reader),
        from_at=doubt.call.at,
        alone=doubt.alone,
        done=doubt.spec.done,
    )
    listed, picked = await _listed(sought, reader)
    answer, failed = None, listed.failed
    if picked.found in {Found.ONE, Found.MANY}:
        # The first of several is the one that the agent's own request made.
        oldest_first = reversed(picked.items) if find.listing.newest_first else picked.items
        first = min(oldest_first, key=lambda item: made_at(item, find) or began)
        answer = await _answer_from(first, find, reader)
        if answer is None:
            picked, failed = Picked(Found.FAILED), f"{reader.account.title} did not show what was found"
    if picked.found is Found.NONE and find.creator is None and not sought.certain:
        # Whose objects are listed, the credential alone says.
        picked, failed = Picked(Found.FAILED), HIDDEN
    if picked.found is Found.FAILED and failed is None:
        failed = "an item does not say when it was made, or by whom"
    return Told(
        LIST,
        Evidence(picked.found, began, len(picked.items), picked.later),
        answer,
        _seen(listed, picked, sought),
        _never_store(reader, find.listing.read),
        failed,
    )


async def _listed(sought: Sought, reader: Reader) -> tuple[Listed, Picked]:
    """
    Read the list for the write's mark, where there is one, and the list of everything where that has to speak, too.
    """
    find = sought.find
    mark = spelled(sought.marker, sought.intent) if sought.marker is not None else ""
    if sought.marker is not None and find.marked is not None:
        listed = await read_list(find.marked, find, mark, sought.since, reader)
        listed, picked = _picked(listed, sought, reader)
        if picked.found is not Found.NONE or not find.needs_later:
            return listed, picked
    listed = await read_list(find.listing, find, mark, sought.since, reader)
    return _picked(listed, sought, reader)


def _picked(listed: Listed, sought: Sought, reader: Reader) -> tuple[Listed, Picked]:
    """
    Return what a list proves, once the two clocks are known to agree: its items are dated by one, the write by ours.
    """
    ahead = reader.ahead
    if listed.failed is None and abs(ahead) > SKEW:
        apart_s = round(abs(ahead).total_seconds())
        listed = replace(listed, failed=f"its clock and ours are {apart_s} s apart, or a cache answered")
    if listed.failed is not None:
        return listed, Picked(Found.FAILED)
    from_at = sought.from_at - ahead if sought.from_at is not None else None
    return listed, pick(listed.items, replace(sought, from_at=from_at, over_at=sought.over_at + max(-ahead, NO_TIME)))


def _same_credential(doubt: Doubt, reader: Reader) -> bool:
    return doubt.credential == reader.account.current().ref


async def _answer_from(item: object, find: Find, reader: Reader) -> Answer | None:
    """
    Return what the write would have answered: the object that an item leads to, or the item where it leads to none.
    """
    spec, deletion = reader.doubt.spec, reader.account.dialect.deletion
    if not spec.touches or not find.key:
        return object_answer(spec, spell_image(item), deletion)
    main, shown = spec.touches[0], dict(find.key)
    sources = tuple((name, Source(ANSWER, shown[name]) if name in shown else one) for name, one in main.sources)
    key = key_of(replace(main, sources=sources), reader.doubt.call.operation, item)
    if key is None:
        return object_answer(spec, spell_image(item), deletion)
    sight = await reader.see(Plan.of(main.object.read, key, main.object.query))
    if sight.failed is not None:
        return None
    # What was deleted since was made all the same.
    return object_answer(spec, spell_image(item) if sight.absent else sight.body, deletion)


async def _by_state(reader: Reader) -> Told:
    doubt, began = reader.doubt, reader.rooms.clock.now()
    touch = doubt.spec.touches[0]
    sight = await reader.see(Plan.of(touch.object.read, _main_key(doubt) or {}, touch.object.query))
    never_store = _never_store(reader)
    failed = sight.failed
    if sight.absent and not _same_credential(doubt, reader):
        failed = HIDDEN
    try:
        now = None if failed is not None or sight.absent else parse_image(sight.body)
    except ValueError:
        now, failed = None, "what was shown is no JSON"
    if failed is not None:
        return Told(STATE, Evidence(Found.FAILED, began), never_store=never_store, failed=failed)
    deletion = reader.account.dialect.deletion
    found = judge(_wanted(doubt, deletion), doubt.before.get(touch.object.type, UNSEEN), now)
    answer = object_answer(doubt.spec, None if now is None else sight.body, deletion) if found is Found.ONE else None
    count = 0 if found is Found.NONE else 1
    return Told(STATE, Evidence(found, began, count), answer, sight.body, never_store)


def _wanted(doubt: Doubt, deletion: Mapping[str, object]) -> Wanted:
    claims = claims_of(doubt.call.operation, dict(doubt.spec.touches[0].claims))
    return wanted_by(doubt.spec, claims, deletion)


def _main_key(doubt: Doubt) -> Key | None:
    return key_of(doubt.spec.touches[0], doubt.call.operation) if doubt.spec.touches else None


def _never_store(reader: Reader, *lists: str) -> tuple[str, ...]:
    """
    Return what is never stored of the write, of its object, or of these lists.
    """
    spec, named = reader.doubt.spec, reader.account.catalog.named
    reads = (*lists, *(touch.object.read for touch in spec.touches[:1]))
    held = (name for one in (spec, *(named(read)[0] for read in reads)) for name in one.never_store)
    return tuple(dict.fromkeys(held))


def _seen(listed: Listed, picked: Picked, sought: Sought) -> bytes:
    return spell_image(
        {
            "pages": listed.pages,
            "items": len(listed.items),
            "since": sought.since.isoformat(),
            "later": picked.later,
            "failed": listed.failed,
            "found": list(picked.items[:SHOWN_MAX]),
        }
    )
