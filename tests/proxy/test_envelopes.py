"""How a task and a token stand: asked seldom enough, felt soon enough, and without a store for reads alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import pytest

from breakers.call import Caller
from breakers.caveats import Caveat
from breakers.store.protocol import Store, StoreUnavailable
from breakers.task import Closed, Envelope, News, Task
from breakers.verdict import Refuse
from config.caps import NO_CAPS
from proxy.envelopes import FRESH_S, KEPT_MAX, Envelopes
from tests.ledger.world import START, StillClock

ID = "clerk/01M7YZDQY12XJKES0GC4ZSQHB4"
TASK = Task(ID, "clerk", START, START + timedelta(hours=1), NO_CAPS)
OPEN = Envelope(TASK)
CALLER = Caller("clerk", "tid", ID, named=True, tokens=("tid", "stage"))
KEYED = Caller("clerk", "kid", "clerk/2026-11-21")


@dataclass
class Shared:
    """A store that others share, and that counts how often it is asked; `tidings` is what is new."""

    kind: str = "redis"
    tidings: News = field(default_factory=News)
    said: Envelope = OPEN
    away: bool = False
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def envelope(self, task: str, tokens: tuple[str, ...]) -> Envelope:
        self.asked.append((task, tokens))
        if self.away:
            raise StoreUnavailable("it does not answer")
        said = self.said
        if self.meanwhile is not None:
            await self.meanwhile()
        return said

    async def news(self) -> News:
        if self.away:
            raise StoreUnavailable("it does not answer")
        said = self.tidings
        if self.meanwhile is not None:
            await self.meanwhile()
        return said


def made(**more: object) -> tuple[Envelopes, Shared, StillClock]:
    """
    Return envelopes over a store, and the clock.
    """
    store, clock = Shared(**more), StillClock()  # type: ignore[arg-type] # as it is said
    return Envelopes(cast("Store", store), clock), store, clock


def reason(said: Caller | Refuse | None) -> str:
    """
    Return the reason of a refusal, or nothing.
    """
    return str(said.reason) if isinstance(said, Refuse) else ""


async def test_standing() -> None:
    """Of a call that names no task nothing is asked."""
    envelopes, store, _ = made()
    assert await envelopes.within(KEYED, None) is KEYED
    assert await envelopes.still(KEYED, writes=True) is None
    assert store.asked == []


async def test_within() -> None:
    """A caller is given its task, and asked for with every id of its token's narrowing."""
    envelopes, store, _ = made()
    caller = await envelopes.within(CALLER, None)
    assert isinstance(caller, Caller)
    assert caller.opened is TASK
    named = await envelopes.within(KEYED, ID)
    assert isinstance(named, Caller)
    assert (named.task, named.named, named.opened) == (ID, True, TASK)
    assert store.asked == [(ID, ("tid", "stage")), (ID, ())]


REFUSED = {
    "revoked": (Envelope(TASK, revoked=True), "token-expired"),
    "never opened": (Envelope(None), "task-unknown"),
    "another agent's": (Envelope(replace(TASK, agent="other")), "task-unknown"),
    "closed": (Envelope(replace(TASK, closed=Closed.DONE, closed_at=START)), "task-closed"),
    "over": (Envelope(replace(TASK, expires_at=START)), "task-closed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str) -> None:
    """What is not open, not known or revoked is refused, when it comes and right before it takes anything."""
    said, why = REFUSED[name]
    envelopes, _, _ = made(said=said)
    assert reason(await envelopes.within(CALLER, None)) == why
    assert reason(await envelopes.still(CALLER, writes=True)) == why


async def test_asked_seldom() -> None:
    """What a shared store said is good for five seconds, and no longer."""
    envelopes, store, clock = made()
    for _ in range(3):
        await envelopes.within(CALLER, None)
        await envelopes.still(CALLER, writes=True)
    assert len(store.asked) == 1
    store.said = Envelope(TASK, revoked=True)
    clock.move(FRESH_S)
    assert reason(await envelopes.still(CALLER, writes=False)) == ""
    clock.move(0.001)
    assert reason(await envelopes.still(CALLER, writes=False)) == "token-expired"


async def test_past_meanwhile() -> None:
    """A token whose time ends while its call is judged is not good for it any more, though its task is open."""
    envelopes, _, clock = made(kind="memory")
    ends = f"{int((START + timedelta(seconds=10)).timestamp())}"
    caller = replace(CALLER, caveats=(Caveat("exp", f"{int(TASK.expires_at.timestamp())}"), Caveat("exp", ends)))
    clock.move(9.9)
    assert await envelopes.still(caller, writes=True) is None
    clock.move(0.1)
    for writes in (True, False):
        assert reason(await envelopes.still(caller, writes=writes)) == "token-expired"


async def test_own_memory_is_asked_always() -> None:
    """A store that is this process's own memory is asked each time."""
    envelopes, store, _ = made(kind="memory")
    assert reason(await envelopes.within(CALLER, None)) == ""
    store.said = Envelope(TASK, revoked=True)
    assert reason(await envelopes.still(CALLER, writes=False)) == "token-expired"


async def test_changed_here() -> None:
    """What is changed here is felt at once."""
    envelopes, store, _ = made()
    await envelopes.within(CALLER, None)
    store.said = Envelope(TASK, revoked=True)
    envelopes.forget()
    assert reason(await envelopes.within(CALLER, None)) == "token-expired"


async def test_changed_while_asking() -> None:
    """What a store said before a change here that was made meanwhile is not kept."""
    envelopes, store, _ = made()

    async def revoke() -> None:
        store.said, store.meanwhile = Envelope(TASK, revoked=True), None
        envelopes.forget()

    store.meanwhile = revoke
    assert reason(await envelopes.within(CALLER, None)) == ""
    assert reason(await envelopes.still(CALLER, writes=True)) == "token-expired"


async def test_away() -> None:
    """Without its store a read goes on by what was said last, for a while; a write is asked for when it is taken."""
    envelopes, store, clock = made()
    await envelopes.within(CALLER, None)
    store.away = True
    envelopes.away_s = 60.0
    clock.move(60.0)
    assert reason(await envelopes.within(CALLER, None)) == ""
    assert await envelopes.still(CALLER, writes=False) is None
    asked = len(store.asked)
    assert await envelopes.still(CALLER, writes=True) is None
    assert len(store.asked) == asked
    clock.move(0.001)
    with pytest.raises(StoreUnavailable):
        await envelopes.still(CALLER, writes=False)


async def test_away_at_first() -> None:
    """Of what was never asked nothing is known without the store."""
    envelopes, _, _ = made(away=True)
    with pytest.raises(StoreUnavailable):
        await envelopes.within(CALLER, None)


async def test_away_and_over() -> None:
    """A task whose time is over is over with a store and without one."""
    envelopes, store, clock = made(said=Envelope(replace(TASK, expires_at=START + timedelta(seconds=30))))
    await envelopes.within(CALLER, None)
    store.away = True
    clock.move(31)
    assert reason(await envelopes.within(CALLER, None)) == "task-closed"


async def test_bounded() -> None:
    """Whoever narrows a token over and over fills nothing."""
    envelopes, _, _ = made()
    for number in range(KEPT_MAX + 10):
        await envelopes.within(replace(CALLER, tokens=("tid", str(number))), None)
    assert repr(envelopes) == f"Envelopes({KEPT_MAX} kept)"


async def test_heard() -> None:
    """Of what is heard of nobody asks, for as long as it is heard; what is not open any more is asked for."""
    envelopes, store, clock = made(tidings=News({ID: TASK}, anew=True))
    await envelopes.hear()
    for text, writes in ((CALLER, True), (CALLER, False), (replace(CALLER, tokens=("other",)), True)):
        assert isinstance(await envelopes.within(text, None), Caller)
        assert await envelopes.still(text, writes=writes) is None
    assert store.asked == []
    store.tidings = News({ID: None}, frozenset({"stage"}))
    await envelopes.hear()
    store.said = Envelope(replace(TASK, closed=Closed.DONE, closed_at=START))
    assert reason(await envelopes.within(KEYED, ID)) == "task-closed"
    assert len(store.asked) == 1
    store.away = True
    clock.move(FRESH_S + 0.001)
    with pytest.raises(StoreUnavailable):
        await envelopes.within(replace(CALLER, tokens=("new",)), None)


async def test_changed_while_hearing() -> None:
    """What was changed here while news was asked for is felt at once, whatever that news says of before."""
    envelopes, store, _ = made(tidings=News({ID: TASK}, anew=True))
    await envelopes.hear()
    store.tidings = News({ID: TASK})

    async def close() -> None:
        closed = replace(TASK, closed_at=START, closed=Closed.DONE)
        store.said, store.meanwhile = Envelope(closed), None
        envelopes.forget()

    store.meanwhile = close
    await envelopes.hear()
    assert reason(await envelopes.within(CALLER, None)) == "task-closed"


async def test_heard_of_revocations() -> None:
    """A token that was heard to be revoked is refused; where some may be missing each token is asked for."""
    envelopes, store, _ = made(tidings=News({ID: TASK}, frozenset({"stage"}), whole=False, anew=True))
    await envelopes.hear()
    assert reason(await envelopes.within(CALLER, None)) == "token-expired"
    assert store.asked == []
    assert isinstance(await envelopes.within(replace(CALLER, tokens=("tid",)), None), Caller)
    assert store.asked == [(ID, ("tid",))]


async def test_told_by_the_way() -> None:
    """What whoever takes something was told of its task is said in the words of one that came so, and asked anew."""
    envelopes, store, _ = made()
    await envelopes.within(CALLER, None)
    for name, (said, why) in REFUSED.items():
        assert reason(envelopes.told(CALLER, said)) == why, name
    assert envelopes.told(CALLER, OPEN) is None
    await envelopes.within(CALLER, None)
    assert len(store.asked) == 2


async def test_heard_and_away() -> None:
    """Without its store what was heard is good for reads as long as what was said is."""
    envelopes, store, clock = made(tidings=News({ID: TASK}, anew=True))
    await envelopes.hear()
    store.away = True
    envelopes.away_s = 60.0
    clock.move(60.0)
    assert isinstance(await envelopes.within(CALLER, None), Caller)
    clock.move(0.001)
    with pytest.raises(StoreUnavailable):
        await envelopes.within(CALLER, None)
