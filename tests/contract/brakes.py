"""Stops, breakers and suggestions, and calls that wish for something of them: so that a case is a few lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from breakers.breaker import Breaker, Delta, State, Sums, Wish
from breakers.call import Call
from breakers.spend import Charge
from breakers.store.protocol import HeldWrite, Store
from breakers.suggestion import Grant, Stage, Suggested
from breakers.verdict import Forward
from tests.breakers.world import AT
from tests.contract.world import judged, write

KEY = "api:shop/write"

# The bucket of the moment at which every test begins.
NOW = int(AT.timestamp()) // 10


def breaker(state: State = State.PROBING, gen: int = 3, key: str = KEY, **more: object) -> Breaker:
    """
    Return the record of a breaker that has moved before.
    """
    return replace(Breaker(key, state, gen, since=AT), **more)  # type: ignore[arg-type] # a record's own fields


def probe(key: str = KEY, gen: int = 3, lease_s: float = 65.0) -> Wish:
    """
    Return the wish for a permit.
    """
    return Wish(key, gen, probe=True, lease_s=lease_s)


def place(key: str = KEY, gen: int = 3, gap_s: float = 10.0) -> Wish:
    """
    Return the wish for a place in a ramp.
    """
    return Wish(key, gen, probe=False, gap_s=gap_s)


async def breaks(store: Store, *records: Breaker) -> None:
    """
    Have these breakers stand in a store that knew none of them.
    """
    for record in records:
        assert await store.move(None, record)


async def wishing(store: Store, asked: Call, *wishes: Wish, charges: tuple[Charge, ...] = ()) -> Forward:
    """
    Return a verdict that lets a call pass if it gets what it wishes for.
    """
    return replace(await judged(store, asked, *charges), wishes=wishes)


async def wished(store: Store, asked: Call, *wishes: Wish) -> HeldWrite:
    """
    Judge and reserve a write whose wishes nothing stands in the way of.
    """
    held = await store.reserve(await wishing(store, asked, *wishes))
    assert isinstance(held, HeldWrite), held
    return held


async def probing(store: Store, key: str = KEY) -> str | None:
    """
    Return which call has the permit of a breaker.
    """
    (found,) = [one for one in await store.breakers() if one.key == key]
    return None if found.probe is None else found.probe.call


async def counted(store: Store, *deltas: Delta, by: str = "one") -> Sums:
    """
    Report what was counted of one breaker, and return its sums.
    """
    (sums,) = await store.count(deltas, by)
    return sums


def suggestion(id_: str = "01S", *, by: Call | None = None, after_s: float = 0, **more: object) -> Suggested:
    """
    Return a suggestion of the first write, or of another.
    """
    asked = by or write()
    assert asked.names is not None
    one = Suggested(
        id=id_,
        agent=asked.caller.agent,
        task=asked.caller.task,
        api=asked.api,
        operation=asked.operation.spec.name,
        fingerprint=asked.names.fingerprint,
        at=AT + timedelta(seconds=after_s),
        expires=AT + timedelta(hours=24),
        digest=f"digest of {id_}",
        answers=("tier:suggest",),
        key=asked.names.key,
    )
    return replace(one, **more)  # type: ignore[arg-type] # a suggestion's own fields


def turned(one: Suggested, stage: Stage, **more: object) -> Suggested:
    """
    Return what a suggestion becomes by somebody's word.
    """
    return replace(one, stage=stage, version=one.version + 1, changed_at=AT, **more)  # type: ignore[arg-type] # its own fields


async def approved(store: Store, new: Suggested | None = None) -> Suggested:
    """
    Note a suggestion that an approver has let through.
    """
    one = await store.suggest(new or suggestion())
    after = turned(one, Stage.APPROVED, by="ann")
    assert await store.turn(one, after)
    return after


def granted(one: Suggested, asked: Call | None = None, answers: Iterable[str] | None = None) -> Call:
    """
    Return a write that carries a suggestion out.
    """
    grant = Grant(one.id, one.digest, frozenset(one.answers if answers is None else answers), "ann")
    return replace(asked or write(), grant=grant)


async def stage(store: Store, id_: str = "01S") -> Stage | None:
    """
    Return how a suggestion stands.
    """
    known = await store.suggestion(id_)
    return None if known is None else known.stage
