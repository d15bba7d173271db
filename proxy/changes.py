"""
What a write changed, found out off the road: the objects after it, compared with what they were before.

It begins once the write is settled and its agent may have its answer; nothing here can change either. An after-image is
the answer, where that is the whole object, or a read. The write's turn with its objects lasts until then, so that what
it did is not told of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import orjson

from breakers.call import Applied, Call, Outcome
from breakers.facts import Image
from breakers.noun import noun
from breakers.store.events import IntentOpened
from breakers.touching import Key, key_of, object_id
from config.catalog import After, OperationSpec, Place, Touch
from config.dialect import point_at
from proxy.compare import Act, Change, Note, change
from proxy.images import parse_image, spell_parsed
from proxy.ledger.blobs import Kept, Payload
from proxy.ledger.book import Entry, Intent
from proxy.ledger.changed import Changed, before_of, join_images, made_by
from proxy.look import image_of, stored_image
from proxy.paths import foreseen
from proxy.rooms import Rooms
from proxy.sight import Plan, see

T = TypeVar("T")

PARSED_BYTES_MAX = 64 * 1024
"""To parse as much takes a millisecond; what is larger goes to a thread, which costs a quarter of that by itself."""

COMPARED_BYTES_MAX = 16 * 1024
"""Of all images of a write: to compare as much takes about as long."""

ANSWERED_IN_TURNS = 3
"""Turns of the event loop in which a write that is over reaches whoever waits for it, and its answer the socket."""


def follow(intent: Intent, outcome: Outcome, entry: Entry, rooms: Rooms) -> None:
    """
    Begin to find out what a write has changed, where it took effect and a recipe says what it touches.
    """
    go = intent.held.go
    if outcome.applied is Applied.APPLIED and go.call.operation.spec.touches:
        write = Carried(go.call, go.facts.images, before_of(go), outcome.body)
        work = _record(write, lambda changed: rooms.ledger.change_recorded(intent, entry, changed), rooms)
        rooms.pending.start(go.call.id, work)


def follow_late(write: Carried, opened: IntentOpened, resolved: Entry, rooms: Rooms) -> None:
    """
    Begin to find out what a write has changed that was found, out of doubt, to have taken effect.
    """
    if write.call.operation.spec.touches:
        work = _record(
            write, lambda changed: rooms.ledger.late_change_recorded(write.call, opened, resolved, changed), rooms
        )
        rooms.pending.start(write.call.id, work)


async def _record(write: Carried, put: Callable[[Changed], None], rooms: Rooms) -> None:
    try:
        put(await _changed(write, rooms))
    except Exception as error:  # the write itself is on record: a change that is not is named at the next start
        rooms.log.failure(write.call.id, error)


@noun
class Carried:
    """
    A write that took effect: its call, what it touches as it was before, that as the document on record, its answer.

    With `read_anew` the answer was put together from an object, and not every image in it is where it would be.
    """

    call: Call
    images: Mapping[Touch, Image]
    before: Payload | None
    answer: bytes
    read_anew: bool = False


@noun
class _Seen:
    """
    One object that a write touched: how it is identified, and its images, as far as they were to be had.
    """

    touch: Touch
    key: Key
    before: Image | None
    after: Image

    @property
    def kind(self) -> str:
        """
        Return the object's type.
        """
        return self.touch.object.type

    def ids(self) -> tuple[str, ...]:
        """
        Return every id that the object is known by: its key's, and those that its images show.
        """
        found = [object_id(self.touch.object, self.key)]
        for image in (self.before, self.after) if self.touch.object.names else ():
            shown = _parsed(image.data) if image is not None and image.data is not None else None
            names = (point_at(shown, at) for at in self.touch.object.names)
            found += [str(name) for name in names if isinstance(name, str | int)]
        return tuple(dict.fromkeys(found))


async def _changed(write: Carried, rooms: Rooms) -> Changed:
    call, answer = write.call, await _aside(_parsed, write.answer)
    keys = [(touch, key_of(touch, call.operation, answer)) for touch in call.operation.spec.touches]
    found = [(touch, key) for touch, key in keys if key is not None]
    afters = [_after(touch, key, write, rooms) for touch, key in found]
    # Several may be reads, which are made at once; a task for the one that there mostly is would be for nothing.
    images = [await afters[0]] if len(afters) == 1 else await asyncio.gather(*afters)
    seen = [
        _Seen(touch, key, write.images.get(touch), after) for (touch, key), after in zip(found, images, strict=True)
    ]
    size = sum(len(image.data or b"") for one in seen for image in (one.before, one.after) if image is not None)
    if size > COMPARED_BYTES_MAX:
        return await asyncio.to_thread(_told, write, seen, rooms.clock.thread_cpu)
    return _told(write, seen, rooms.clock.thread_cpu)


async def _aside(work: Callable[[bytes], T], data: bytes) -> T:
    """
    Do work on bytes, in a thread where there are so many that it would hold up the road.
    """
    return await asyncio.to_thread(work, data) if len(data) > PARSED_BYTES_MAX else work(data)


def _told(write: Carried, seen: Sequence[_Seen], clock: Callable[[], float]) -> Changed:
    """
    Compare, and say what became of each object.
    """
    known = {one.kind: one.after.data for one in seen if one.after.missing is None}
    after = join_images(known) if known else None
    compared = _compared(write, after, clock)
    acts = compared.acts if isinstance(compared, Change) else {}
    objects = tuple((one.kind, name, str(acts.get(one.kind, Act.NONE))) for one in seen for name in one.ids())
    left_out = sum(image.left_out for one in seen for image in (one.before, one.after) if image is not None)
    if isinstance(compared, Note):
        return Changed(objects, after, left_out=left_out, note=str(compared))
    note = _less(write.call.operation.spec, seen)
    return Changed(
        objects,
        after,
        spell_parsed(compared.patch),
        spell_parsed(compared.inverse),
        compared.paths.by_reason(),
        left_out,
        str(note) if note is not None else None,
    )


def _compared(write: Carried, after: bytes | None, clock: Callable[[], float]) -> Change | Note:
    if write.before is None:
        return Note.BEFORE_MISSING
    if after is None:
        return Note.AFTER_MISSING
    if not isinstance(write.before, Kept):
        return Note.TOO_BIG
    return change(write.before.data, after, foreseen(write.call.operation), clock)


def _less(spec: OperationSpec, seen: Sequence[_Seen]) -> Note | None:
    """
    Return why less was compared than was touched, if so it was.
    """
    made = made_by(spec)
    if any(one.kind not in made and (one.before is None or one.before.missing is not None) for one in seen):
        return Note.BEFORE_MISSING
    # What the write is about is touched, even where its answer does not say under which id.
    unnamed = spec.touches[0] not in [one.touch for one in seen]
    return Note.AFTER_MISSING if unnamed or any(one.after.missing is not None for one in seen) else None


async def _after(touch: Touch, key: Key, write: Carried, rooms: Rooms) -> Image:
    now, call = rooms.clock.now(), write.call
    (read, *_) = rooms.accounts[call.api].catalog.named(touch.object.read)
    specs = (call.operation.spec, read)
    shaped = any((place, name) in call.operation.arguments for place in Place for name in touch.shaped_by)
    match After.READ if (shaped or write.read_anew) and touch.after is After.ANSWER else touch.after:
        case After.READ:
            plan = Plan.of(touch.object.read, key, touch.object.query)
            sight = await see(plan, call, rooms, kept_max=0, total_s=rooms.settings.timeouts.look_s)
            return image_of(sight, *specs)
        case After.GONE:
            await _answered()
            return Image(at=now)
        case After.ANSWER:
            await _answered()
            return await _aside(lambda body: stored_image(_member(body, touch.pointer), now, *specs), write.answer)


async def _answered() -> None:
    """
    Let the agent have its answer first: to put an image in order and to compare take as long as much of the road.
    """
    for _ in range(ANSWERED_IN_TURNS):
        await asyncio.sleep(0)


def _member(body: bytes, pointer: str) -> bytes:
    if not pointer:
        return body
    try:
        found = point_at(parse_image(body), pointer)
    except ValueError:
        return b""
    return b"" if found is None else spell_parsed(found)


def _parsed(body: bytes | None) -> object:
    try:
        return orjson.loads(body) if body else None
    except ValueError:
        return None
