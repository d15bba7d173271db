"""
What processes of one deployment ask each other, through boxes in the store that all of them share.

A question is what an operator asked at the admin door of one of them, with who that is; each other one answers it for
itself (`control/asking.py`). Who does not answer in time was not heard, and is named: never taken for one with nothing
to say. An agent has no part in any of this: no door of theirs leads here, and what they show is no operator's token.

One loop empties the box of this process: questions are answered beside each other, a bounded number at a time, and an
answer goes to whoever waits for one with its nonce, from the process that was asked, once. A question that was taken is
remembered for as long as its time would let it be taken again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import orjson

from breakers.store.protocol import StoreUnavailable
from proxy.clock import Clock
from proxy.inflight import InFlight
from proxy.logline import Log
from proxy.sealer import SKEW_S, Bad, Kind, Letter, Sealer

ANSWER_BYTES_MAX = 1024 * 1024
"""Of one answer: a store is no way for megabytes; who has more to say says that it is too much."""

LOOKS_WITHIN_S = 1.0
"""For an answer that takes no more than looking something up; who has none by then was not heard."""

READS_WITHIN_S = 5.0
"""For one that takes reading a record, of which an index may have to be caught up with first."""

WAIT_S = 2
"""How long the box is waited at before it is asked again, so that a lost connection is noticed."""

AWAY_S = 0.5
"""Until the box of a store that is away is asked again."""

ANSWERING_MAX = 16
"""Questions that are answered at once; operators ask a few."""

SEEN_MAX = 4_096
"""Questions within twice the time for which one is taken: as many as a dozen ask who wait for the proof of a stop."""

TOO_LARGE = 413


class Unheard(StrEnum):
    """
    Why nothing was heard of a process.
    """

    SILENT = "silent"
    """It gives no sign of life."""
    UNANSWERED = "unanswered"
    """It lives, and did not answer in time."""
    TOO_LARGE = "too-large"
    """It has more to say than a letter holds."""
    REFUSED = "refused"
    """It answered that it cannot say."""
    STORE = "store-unavailable"
    """The store cannot be asked, so that nobody can be."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    One call at the admin door, as another process is to answer it: `path` is the route's, `match` its open members.

    `roles` are those that whoever asks has at the process that let him or her in.
    """

    method: str
    path: str
    actor: str
    roles: frozenset[str]
    personal: bool
    match: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def spelled(self) -> bytes:
        """
        Return it as a letter's body.
        """
        said = [self.method, self.path, self.actor, sorted(self.roles), self.personal, {**self.match}, {**self.query}]
        return orjson.dumps(said) + b"\n" + self.body


def read_question(data: bytes) -> Question:
    """
    Return the question in a letter. Raise `ValueError` or `TypeError` where it is none.
    """
    head, _, body = data.partition(b"\n")
    method, path, actor, roles, personal, match, query = orjson.loads(head)
    return Question(method, path, actor, frozenset(roles), personal, match, query, body)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a process answered.
    """

    status: int
    body: bytes

    @property
    def data(self) -> Any:
        """
        Return what it says.
        """
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Other:
    """
    Another process of the deployment that has not stopped: whether it gives signs of life, and what its last one said.
    """

    replica: str
    lives: bool
    said: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What came of asking others: the answers, and of whom nothing was heard, each with why; `others` are all there are.
    """

    answers: Mapping[str, Answer]
    unheard: Mapping[str, Unheard]
    others: tuple[Other, ...] = ()


class Boxes(Protocol):
    """
    Where letters lie.
    """

    async def post(self, to: str, letter: bytes) -> bool:
        """
        Put a letter into a box; False where it is full.
        """

    async def take(self, box: str, within_s: int) -> bytes | None:
        """
        Take the oldest letter out of a box, or wait so many seconds for one.
        """


async def _says_nothing(_: Question, sender: str) -> Answer:
    raise LookupError(f"nobody answers letters here, not even of {sender}")


async def _alone() -> tuple[Other, ...]:
    return ()


class Letters:
    """
    The letters of one process. Without boxes, in a store that nobody shares, there is nobody to ask.

    `answering` answers a question, `others` says who else there is; `looks_s` is how long a look is waited for,
    `reads_s` one that reads a record.
    """

    def __init__(self, boxes: Boxes | None, sealer: Sealer, replica: str, clock: Clock, log: Log) -> None:
        self._boxes, self._sealer, self.replica, self._clock, self._log = boxes, sealer, replica, clock, log
        self._waiting: dict[tuple[str, str], asyncio.Future[bytes]] = {}
        self._seen: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._answered, self.looks_s, self.reads_s = InFlight(), LOOKS_WITHIN_S, READS_WITHIN_S
        self.answering: Callable[[Question, str], Awaitable[Answer]] = _says_nothing
        self.others: Callable[[], Awaitable[tuple[Other, ...]]] = _alone
        # Who there was when that was last known.
        self._known: tuple[Other, ...] = ()
        self.on_bad: Callable[[Bad], None] = lambda why: log.event("letter-refused", why=str(why))

    def __repr__(self) -> str:
        return f"Letters({self.replica}, {len(self._waiting)} waited for, {len(self._answered)} being answered)"

    @property
    def is_alone(self) -> bool:
        """
        Tell whether there can be nobody else.
        """
        return self._boxes is None

    async def ask_all(self, question: Question, *, reads: bool = False) -> Heard:
        """
        Ask every other process that gives signs of life what takes no more than looking something up, or reading it.
        """
        if self._boxes is None:
            return Heard({}, {})
        try:
            self._known = await self.others()
        except StoreUnavailable:
            return Heard({}, {one.replica: Unheard.STORE for one in self._known}, self._known)
        within_s = self.reads_s if reads else self.looks_s
        heard = await self.ask(question, [one.replica for one in self._known if one.lives], within_s)
        silent = {one.replica: Unheard.SILENT for one in self._known if not one.lives}
        return Heard(heard.answers, {**heard.unheard, **silent}, self._known)

    async def ask(self, question: Question, of: Collection[str], within_s: float) -> Heard:
        """
        Ask others, all at once, and return what was heard in time.
        """
        every = await asyncio.gather(*(self._ask_one(question, replica, within_s) for replica in of))
        said = dict(zip(of, every, strict=True))
        return Heard(
            {replica: answer for replica, answer in said.items() if isinstance(answer, Answer)},
            {replica: why for replica, why in said.items() if isinstance(why, Unheard)},
        )

    async def _ask_one(self, question: Question, of: str, within_s: float) -> Answer | Unheard:
        assert self._boxes is not None, "there is nobody to ask"
        nonce = self._sealer.nonce()
        waited = self._waiting[of, nonce] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_s):
                letter = self._sealer.seal(Kind.QUESTION, self.replica, of, nonce, question.spelled())
                if not await self._boxes.post(of, letter):
                    return Unheard.UNANSWERED
                status, _, body = (await waited).partition(b"\n")
        except TimeoutError:
            return Unheard.UNANSWERED
        except StoreUnavailable:
            # It may have been put there all the same.
            return Unheard.STORE
        finally:
            del self._waiting[of, nonce]
        answer = Answer(int(status), body)
        return Unheard.TOO_LARGE if answer.status == TOO_LARGE else answer

    async def watch(self) -> None:
        """
        Empty the box of this process, for as long as it runs.
        """
        while self._boxes is not None:
            try:
                data = await self._boxes.take(self.replica, WAIT_S)
            except StoreUnavailable:
                await asyncio.sleep(AWAY_S)
                continue
            except Exception as error:  # whatever it is: the next letter is another one
                self._log.failure("", error)
                await asyncio.sleep(AWAY_S)
                continue
            if data is not None:
                self.came(data)

    def came(self, data: bytes) -> None:
        """
        Take a letter that was in the box.
        """
        letter = self._sealer.open(data, self.replica)
        if isinstance(letter, Bad):
            self.on_bad(letter)
        elif letter.kind is Kind.ANSWER:
            waited = self._waiting.get((letter.sender, letter.nonce))
            # Whoever asked may have given up, or have it: nobody asks twice under one nonce.
            if waited is not None and not waited.done():
                waited.set_result(letter.body)
        elif (why := self._again(letter)) is not None:
            self.on_bad(why)
        elif len(self._answered) >= ANSWERING_MAX:
            self.on_bad(Bad.CROWDED)
        else:
            self._answered.start(self._answer(letter))

    def _again(self, letter: Letter) -> Bad | None:
        """
        Return why a question is not taken a second time, and remember it for the time in which it could be.
        """
        now = self._clock.now()
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        key = (letter.sender, letter.nonce)
        if key in self._seen:
            return Bad.REPLAYED
        if len(self._seen) >= SEEN_MAX:
            return Bad.CROWDED
        self._seen[key] = now + timedelta(seconds=2 * SKEW_S)
        return None

    async def _answer(self, letter: Letter) -> None:
        assert self._boxes is not None, "a letter came from somewhere"
        try:
            answer = await self.answering(read_question(letter.body), letter.sender)
        except Exception as error:  # whatever it is, whoever asked is told nothing wrong by silence
            self._log.failure("", error)
            return
        if len(answer.body) > ANSWER_BYTES_MAX:
            answer = Answer(TOO_LARGE, b"")
        body = b"%d\n%b" % (answer.status, answer.body)
        back = self._sealer.seal(Kind.ANSWER, self.replica, letter.sender, letter.nonce, body)
        with contextlib.suppress(StoreUnavailable):
            await self._boxes.post(letter.sender, back)

    async def drain(self, timeout_s: float) -> int:
        """
        Wait this long for what is being answered.
        """
        return await self._answered.drain(timeout_s)
