"""Processes that ask each other: who answers, who was not heard, and which letters are not taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from proxy.ledger.keyring import KeyRing
from proxy.letters import ANSWER_BYTES_MAX, ANSWERING_MAX, Answer, Heard, Letters, Other, Question, Unheard
from proxy.sealer import SKEW_S, Bad, Kind, Sealer
from tests.fleet.boxes import Boxes
from tests.ledger.world import Counted, StillClock
from tests.proxy.road import Lines, soon

RING = KeyRing({1: b"1" * 32}, 1)
QUESTION = Question("GET", "/v1/doubt", "ana", frozenset({"admin"}), True, {"id": "1"}, {"all": "1"}, b'{"a": "\n"}')

# So brief that a test can wait for it.
BRIEF_S = 0.02


@dataclass(repr=False)
class Desks:
    """Processes a, b and c: b answers, c gives no sign of life; `bad` is what b did not take."""

    clock: StillClock = field(default_factory=StillClock)
    boxes: Boxes = field(default_factory=Boxes)
    log: Lines = field(default_factory=Lines)
    asked: list[tuple[Question, str]] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    said: Answer = field(default_factory=lambda: Answer(200, b"[1]"))

    def __post_init__(self) -> None:
        self.a, self.b = (self.process(name, number) for number, name in enumerate("ab"))
        self.b.answering, self.b.on_bad = self.answer, self.bad.append

    def process(self, name: str, number: int) -> Letters:
        """
        Return a process of that name.
        """
        sealer = Sealer(RING, "here", self.clock.now, Counted(1000 * number))
        one = Letters(self.boxes, sealer, name, self.clock, self.log)
        one.others = self.others
        return one

    async def others(self) -> tuple[Other, ...]:
        """
        Return who there is beside a.
        """
        return (Other("b", lives=True), Other("c", lives=False, said={"pid": 7}))

    async def answer(self, question: Question, sender: str) -> Answer:
        """
        Answer as b.
        """
        self.asked.append((question, sender))
        return self.said


@pytest_asyncio.fixture
async def desks() -> AsyncIterator[Desks]:
    """
    Give them while their boxes are emptied.
    """
    made = Desks()
    watches = [asyncio.create_task(one.watch()) for one in (made.a, made.b)]
    yield made
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)


async def test_asked_and_answered(desks: Desks) -> None:
    """A question arrives whole, with who asks; its answer comes back, and who gives no sign of life is named."""
    heard = await desks.a.ask_all(QUESTION)
    assert desks.asked == [(QUESTION, "a")]
    assert heard.answers == {"b": Answer(200, b"[1]")}
    assert heard.unheard == {"c": Unheard.SILENT}
    # Nobody writes to whom nobody hears of.
    assert [to for to, _ in desks.boxes.taken] == ["b", "a"]


async def test_alone() -> None:
    """In a store that nobody shares there is nobody to ask, and nothing to wait for."""
    letters = Letters(None, Sealer(RING, "here", StillClock().now, Counted()), "a", StillClock(), Lines())
    assert letters.is_alone
    await letters.watch()
    assert await letters.ask_all(QUESTION) == Heard({}, {})


UNHEARD: dict[str, Unheard] = {
    "lost": Unheard.UNANSWERED,
    "full": Unheard.UNANSWERED,
    "large": Unheard.TOO_LARGE,
    "away": Unheard.STORE,
    "fails": Unheard.UNANSWERED,
}


@pytest.mark.parametrize("case", UNHEARD)
async def test_unheard(case: str, desks: Desks) -> None:
    """Whoever does not answer, cannot be asked, or has more to say than a letter holds is named with why."""
    if case == "large":
        desks.said = Answer(200, b"x" * (ANSWER_BYTES_MAX + 1))
    elif case == "fails":
        desks.b.answering = desks.boxes.take  # type: ignore[assignment] # it fails in a way that nobody foresaw
    elif case == "away":
        desks.boxes.away = True
    else:
        getattr(desks.boxes, case).add("b")
    heard = await desks.a.ask(QUESTION, ["b"], BRIEF_S if case not in {"large", "away"} else 5.0)
    assert heard.answers == {}
    assert heard.unheard == {"b": UNHEARD[case]}


async def test_largest(desks: Desks) -> None:
    """An answer of a megabyte arrives."""
    desks.said = Answer(409, b"x" * ANSWER_BYTES_MAX)
    assert (await desks.a.ask(QUESTION, ["b"], 5.0)).answers == {"b": desks.said}


async def test_replayed(desks: Desks) -> None:
    """A letter that comes a second time is not taken, for as long as its time would let it, and then for its time."""
    await desks.a.ask_all(QUESTION)
    (_, question), (_, answer) = desks.boxes.taken
    for pause_s in (0.0, SKEW_S, 0.001):
        desks.clock.move(pause_s)
        desks.b.came(question)
    assert desks.bad == [Bad.REPLAYED, Bad.REPLAYED, Bad.OLD]
    assert len(desks.asked) == 1
    # Nobody waits for this answer any more.
    desks.a.came(answer)


async def test_answered_by_another(desks: Desks) -> None:
    """Only who was asked answers, under the nonce of the question: a third one's word is waited past."""
    third = Sealer(RING, "here", desks.clock.now, Counted(5000))
    desks.boxes.lost.add("b")
    asking = asyncio.create_task(desks.a.ask(QUESTION, ["b"], 10.0))
    await soon(lambda: desks.a._waiting)
    ((_, nonce),) = desks.a._waiting
    desks.a.came(third.seal(Kind.ANSWER, "c", "a", nonce, b"200\n[3]"))
    desks.a.came(third.seal(Kind.ANSWER, "b", "a", "another", b"200\n[4]"))
    desks.a.came(third.seal(Kind.ANSWER, "b", "a", nonce, b"200\n[5]"))
    assert (await asking).answers == {"b": Answer(200, b"[5]")}


async def test_crowded(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    """More questions at once than operators ask are not answered, and more letters than are remembered not taken."""
    free = asyncio.Event()

    async def slow(question: Question, sender: str) -> Answer:
        await free.wait()
        return await desks.answer(question, sender)

    desks.b.answering = slow
    asking = [asyncio.create_task(desks.a.ask(QUESTION, ["b"], 5.0)) for _ in range(ANSWERING_MAX)]
    await soon(lambda: len(desks.b._answered) == ANSWERING_MAX)
    assert (await desks.a.ask(QUESTION, ["b"], BRIEF_S)).unheard == {"b": Unheard.UNANSWERED}
    await soon(lambda: desks.bad == [Bad.CROWDED])
    free.set()
    assert all([(await one).answers for one in asking])
    monkeypatch.setattr("proxy.letters.SEEN_MAX", ANSWERING_MAX)
    assert (await desks.a.ask(QUESTION, ["b"], BRIEF_S)).unheard == {"b": Unheard.UNANSWERED}
    await soon(lambda: desks.bad == [Bad.CROWDED, Bad.CROWDED])


async def test_many_answers(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks many has more answers than letters are remembered: an answer is taken once by its question."""
    monkeypatch.setattr("proxy.letters.SEEN_MAX", 2)
    desks.a.on_bad = desks.bad.append
    for nonce in ("1", "2", "3"):
        waited = desks.a._waiting["b", nonce] = asyncio.get_running_loop().create_future()
        answer = Sealer(RING, "here", desks.clock.now, Counted(9000)).seal(Kind.ANSWER, "b", "a", nonce, b"200\n[]")
        desks.a.came(answer)
        desks.a.came(answer)
        assert waited.result() == b"200\n[]"
    assert desks.bad == []


async def test_store_comes_back(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away all that were known are named; once it is back they are asked again."""
    monkeypatch.setattr("proxy.letters.AWAY_S", 0.0)
    await desks.a.ask_all(QUESTION)
    desks.boxes.away = True
    assert (await desks.a.ask_all(QUESTION)).unheard == {"b": Unheard.STORE, "c": Unheard.SILENT}
    desks.boxes.away = False
    assert (await desks.a.ask_all(QUESTION)).answers


async def test_drains(desks: Desks) -> None:
    """Who stops waits for what is being answered."""
    await desks.a.ask_all(QUESTION)
    assert await desks.b.drain(1.0) == 0


@pytest.mark.parametrize("junk", [b"", b"null\n", b"[]\n", b'["GET"]\n'])
async def test_no_question(junk: bytes, desks: Desks) -> None:
    """What is no question, from whoever has a key ring, is answered by silence and stands in the log."""
    sealed = Sealer(RING, "here", desks.clock.now, Counted(7000)).seal(Kind.QUESTION, "a", "b", "n", junk)
    desks.b.came(sealed)
    await soon(lambda: desks.log.of("failure"))
    assert not desks.asked
