"""
Writes that ended and that nobody has asked for since a start: rows under their names, read when somebody asks.

What is in bundles is put away here as it is, unless it has to be told one by one: what is said more of, what ended a
moment ago, what shares a name with another. What bundles say was taken of caps counts for all writes in them, for those
as well that are told one by one: they are known to be counted already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from breakers.spend import Charge
from breakers.store import moves
from breakers.store.bundle import Bundle, Spent, Write
from breakers.store.events import Event, IntentDelivered, IntentEnded, IntentOpened
from breakers.store.history import History, Told


class Past:
    """
    What was put away: each write is in it under all of its names, or it is not in it any more.
    """

    __slots__ = ("_by_intent", "_by_name", "_read", "counted", "spent")

    def __init__(self) -> None:
        self._by_intent: dict[str, bytes] = {}
        self._by_name: dict[str, bytes] = {}
        self._read: Callable[[bytes], Write] | None = None
        self.spent: list[Spent] = []
        # Which calls are in that, as far as anybody may ask, when they were made, and since when they have ended.
        self.counted: list[tuple[str, datetime, datetime]] = []

    def __len__(self) -> int:
        return len(self._by_intent)

    @property
    def intents(self) -> Iterable[str]:
        """
        Return what is in it, in the order in which it was put there.
        """
        return self._by_intent.keys()

    def charges(self) -> Iterator[tuple[datetime, tuple[Charge, ...]]]:
        """
        Yield when calls were made that have the newest caps, and their charges.
        """
        return ((one.at, (one.charge,)) for one in self.spent)

    def taken_out(self, intent: str) -> History | None:
        """
        Take a write out, if it is here.
        """
        row = self._by_intent.get(intent)
        return None if row is None else History(*self._out(row))

    def taken_out_by(self, name: str) -> History | None:
        """
        Take the write out that stands under a name here, if there is one.
        """
        row = self._by_name.get(name)
        return None if row is None else History(*self._out(row))

    def put_away(
        self, events: Iterable[Event | Bundle], said: Told, at: datetime, retention: moves.Retention
    ) -> Iterator[Event]:
        """
        Yield what has to be told one by one, and put away the rest; `said` is what came of the events until then.
        """
        over: list[Bundle] = []
        for event in events:
            if not isinstance(event, Bundle):
                yield from self._more(event)
            elif event.heading.last_end + moves.REMEMBERED > at or self._is_said(event, said):
                for one in event:
                    yield from self._more(one)
            else:
                yield from self._put(event)
                if event.heading.last_end + retention.whole <= at:
                    over.append(event)
        # Not before all is told: more may have been said of it.
        for bundle in over:
            self._drop(bundle)

    def _more(self, event: Event) -> Iterator[Event]:
        """
        Yield an event, and before it all of the write that it is about, if that is here.
        """
        if self._by_intent and isinstance(event, IntentOpened | IntentEnded | IntentDelivered):
            row = self._by_intent.get(event.intent)
            if row is not None:
                yield from self._alone(self._out(row))
        yield event

    def _is_said(self, bundle: Bundle, said: Told) -> bool:
        intents = bundle.heading.intents
        return not (said.by_intent.keys().isdisjoint(intents) and self._by_intent.keys().isdisjoint(intents))

    def _put(self, bundle: Bundle) -> Iterator[Event]:
        heading, rows, by_name = bundle.heading, bundle.rows, self._by_name
        self.spent += heading.spent
        if heading.charged is not None:
            self.counted.append((*heading.charged, heading.last_end))
        self._read = bundle.read
        shared: dict[str, bytes] = {}
        if not by_name.keys().isdisjoint(heading.names):
            shared = {name: by_name[name] for name in heading.names if name in by_name}
        self._by_intent.update(zip(heading.intents, rows, strict=True))
        by_name.update(zip(heading.names, map(rows.__getitem__, heading.owners), strict=True))
        if shared:
            owned = zip(heading.names, heading.owners, strict=True)
            alone = [self._out(rows[owner]) for owner in sorted({owner for name, owner in owned if name in shared})]
            by_name.update(shared)
            for write in alone:
                yield from self._alone(write)

    def _drop(self, bundle: Bundle) -> None:
        """
        Forget, unread, what is still here of a bundle; an id or a name may lead to another row by now.
        """
        heading, rows, by_intent, by_name = bundle.heading, bundle.rows, self._by_intent, self._by_name
        for intent, row in zip(heading.intents, rows, strict=True):
            if by_intent.get(intent) is row:
                del by_intent[intent]
        for name, owner in zip(heading.names, heading.owners, strict=True):
            if by_name.get(name) is rows[owner]:
                del by_name[name]

    def _alone(self, write: Write) -> Iterator[Event]:
        opened, ended = write
        if opened.charges:
            self.counted.append((opened.intent, opened.at, ended.at))
        yield opened
        yield IntentEnded(opened.intent, ended)

    def _out(self, row: bytes) -> Write:
        assert self._read is not None
        opened, ended = self._read(row)
        del self._by_intent[opened.intent]
        for name in opened.names.held if opened.names is not None else ():
            self._by_name.pop(name, None)
        return opened, ended
