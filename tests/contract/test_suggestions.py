"""What every store promises of suggestions: one for a write, joined while it is live, ended once, known for a day."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from breakers.store.events import Event, IntentEnded, SuggestionNoted, opened_by
from breakers.store.protocol import Store
from breakers.suggestion import LIVE, Stage, Suggested
from tests.breakers.world import AT
from tests.contract.brakes import approved, granted, stage, suggestion, turned
from tests.contract.world import World, done, nothing_done, unknown, write

DAY_S = 86_400


async def ended(store: Store, one: Suggested, how: Stage) -> Suggested:
    """
    Note a suggestion and end it so.
    """
    assert await store.suggest(one) == one
    after = turned(one, how, why="because")
    assert await store.turn(one, after)
    return after


async def test_none_at_first(store: Store) -> None:
    """A store that has heard of no suggestion knows none, and has none as a fact."""
    assert (await store.suggestions(), await store.suggestion("01S")) == ((), None)
    assert (await store.facts(write())).suggested is None


async def test_kept_whole(store: Store) -> None:
    """A suggestion says afterwards everything that was noted of it."""
    one = suggestion(
        answers=("kill:agent:clerk", "breaker:api:shop/write"),
        roles=("approver", "finance"),
        place="log/0#0/7",
        waits=True,
        shadow=True,
        why="two\nlines and „more“",
    )
    assert await store.suggest(one) == one
    assert await store.suggestion("01S") == (await store.facts(write())).suggested == one
    assert await store.suggestions() == (one,)


async def test_oldest_first(store: Store) -> None:
    """Suggestions come oldest first, and by id within one moment."""
    for id_, after_s in (("01C", 5), ("01B", 9), ("01D", 5), ("01E", 1)):
        await store.suggest(suggestion(id_, by=write("01A", f"k:{id_}", f"f1:{id_}"), after_s=after_s))
    assert [one.id for one in await store.suggestions()] == ["01E", "01C", "01D", "01B"]


# the key and the fingerprint of a write that comes after the first, and whether it joins that one's suggestion
OTHERS = [
    ("k:1", "f1:1", True),
    ("k:2", "f1:1", True),
    (None, "f1:1", True),
    ("k:1", "f1:2", True),
    ("k:2", "f1:2", False),
]


async def test_joined(store: Store) -> None:
    """A write that says the same, or has the same key, joins a live suggestion; another one begins its own."""
    first = await store.suggest(suggestion())
    for number, (key, says, joins) in enumerate(OTHERS):
        second = suggestion(f"01T{number}", by=write("01B", key, says), after_s=1)
        assert await store.suggest(second) == (first if joins else second)
        assert (await store.facts(write("01C", key, says))).suggested == (first if joins else second)
    assert [one.id for one in await store.suggestions()] == ["01S", f"01T{len(OTHERS) - 1}"]


async def test_joined_by_all(store: Store) -> None:
    """Of many that park the same write at once, one begins the suggestion and all the others join it."""
    said = await asyncio.gather(*(store.suggest(suggestion(f"01{n:02}")) for n in range(20)))
    assert len({one.id for one in said}) == 1
    assert await store.suggestions() == (said[0],)


async def test_noted_twice(store: Store) -> None:
    """A suggestion noted again is as it has become meanwhile."""
    after = await approved(store)
    assert await store.suggest(suggestion()) == after


async def test_former_fingerprint(store: Store) -> None:
    """A write asks under every version of its fingerprint."""
    one = await store.suggest(suggestion(by=write("01A", None, "f0:1")))
    asked = write("01B", None, "f1:1")
    assert asked.names is not None
    asked = replace(asked, names=replace(asked.names, fingerprints=("f1:1", "f0:1")))
    assert (await store.facts(asked)).suggested == one


async def test_key_before_equal(store: Store) -> None:
    """Where one write's key and another's words belong to two live suggestions, the key decides."""
    keyed = await store.suggest(suggestion("01S", by=write("01A", "k:1", "f1:1")))
    equal = await store.suggest(suggestion("01T", by=write("01B", None, "f1:2"), after_s=9))
    assert (await store.facts(write("01C", "k:1", "f1:2"))).suggested == keyed
    assert (await store.facts(write("01C", None, "f1:2"))).suggested == equal


@pytest.mark.parametrize("how", [Stage.REJECTED, Stage.EXPIRED, Stage.VOID])
async def test_begun_anew(store: Store, how: Stage) -> None:
    """What has ended is what the same write is answered from, until another suggestion of it begins."""
    first = await ended(store, suggestion(), how)
    assert (await store.facts(write("01B"))).suggested == first
    second = suggestion("01T", after_s=60)
    assert await store.suggest(second) == second
    assert (await store.facts(write("01B"))).suggested == second
    assert await store.suggestions() == (first, second)


async def test_live_before_ended(store: Store) -> None:
    """A live suggestion of the same words counts more than one of the same key that has ended, though it is older."""
    live = await store.suggest(suggestion("01S", by=write("01A", None, "f1:1")))
    await ended(store, suggestion("01T", by=write("01B", "k:2", "f1:2"), after_s=9), Stage.REJECTED)
    assert (await store.facts(write("01C", "k:2", "f1:1"))).suggested == live


async def test_kept_for_a_day(world: World) -> None:
    """How a suggestion ended is known for a day, and a live one for as long as it lives."""
    store = await world.store()
    live = await store.suggest(suggestion("01L", by=write("01B", "k:2", "f1:2")))
    after = await ended(store, suggestion(), Stage.REJECTED)
    world.clock.pass_by(DAY_S - 1)
    assert await store.suggestions() == (live, after)
    world.clock.pass_by(1)
    assert (await store.suggestions(), await store.suggestion("01S")) == ((live,), None)
    assert (await store.facts(write())).suggested is None
    anew = suggestion("01T", after_s=DAY_S)
    assert await store.suggest(anew) == anew


NAMED = {Stage.OPEN, Stage.APPROVED, Stage.REJECTED, Stage.EXPIRED, Stage.VOID}


@pytest.mark.parametrize("of", Stage)
async def test_table(store: Store, of: Stage) -> None:
    """Nothing leads out of an end, only a reservation to `executing`, and from there only an end."""
    for to in Stage:
        one = suggestion(f"01S-{to}", by=write("01A", f"k:{to}", f"f1:{to}"))
        one = replace(one, stage=of, version=4, changed_at=AT, intent=f"01-{to}")
        await store.apply(SuggestionNoted(one))
        leads = (of in {Stage.OPEN, Stage.APPROVED} and to in NAMED) or (of is Stage.EXECUTING and to is Stage.EXECUTED)
        assert await store.turn(one, turned(one, to)) is leads, to
        assert await stage(store, one.id) is (to if leads else of), to


async def test_turned_by_version(store: Store) -> None:
    """Whoever turns a suggestion has to have seen it as it is; of many at once one does, and it has one end."""
    one = await store.suggest(suggestion())
    ends = [Stage.APPROVED, Stage.REJECTED, Stage.EXPIRED, Stage.VOID] * 5
    said = await asyncio.gather(*(store.turn(one, turned(one, end, by=f"by {n}")) for n, end in enumerate(ends)))
    assert said.count(True) == 1
    after = await store.suggestion("01S")
    assert after is not None
    assert (after.stage, after.by, after.version) == (ends[said.index(True)], f"by {said.index(True)}", 1)
    assert not await store.turn(one, turned(one, Stage.VOID))
    assert not await store.turn(suggestion("01X"), turned(suggestion("01X"), Stage.VOID))


# what is known, what a record tells, which stands
TOLD = [(None, 0, 0), (None, 3, 3), (1, 2, 2), (2, 1, 2), (2, 2, 2)]


async def test_told(store: Store) -> None:
    """Of what is known and what a record tells the higher version stands."""
    for number, (known, told, stands) in enumerate(TOLD):
        one = suggestion(f"01S{number}", by=write("01A", f"k:{number}", f"f1:{number}"))
        for version, why in ((known, "known"), (told, "told")):
            if version is not None:
                await store.apply(SuggestionNoted(replace(one, version=version, why=why)))
        found = await store.suggestion(one.id)
        assert found is not None
        assert (found.version, found.why) == (stands, "known" if known == stands else "told")


async def test_told_long_after(world: World) -> None:
    """A replay brings back nothing that is over, and everything that lives."""
    store = await world.store()
    world.clock.pass_by(3 * DAY_S)
    await store.apply(SuggestionNoted(suggestion("01S", stage=Stage.EXPIRED, version=1, changed_at=AT)))
    await store.apply(SuggestionNoted(suggestion("01T", by=write("01B", "k:2", "f1:2"), version=1)))
    assert [one.id for one in await store.suggestions()] == ["01T"]


# what is told of the intent that carries it out, and how the suggestion stands then
ENDS = [
    ([], Stage.APPROVED),
    (["opened"], Stage.EXECUTING),
    (["opened", "unknown"], Stage.EXECUTING),
    (["opened", "done"], Stage.EXECUTED),
    (["opened", "nothing"], Stage.EXECUTED),
    (["opened", "unknown", "done"], Stage.EXECUTED),
]


def executed(number: int, told: list[str]) -> list[Event]:
    """
    Return what a ledger tells of one suggestion and its intent.
    """
    asked = write(f"01C{number}", f"k:{number}", f"f1:{number}", f"e:{number}")
    noted = suggestion(f"01S{number}", by=asked)
    one = turned(noted, Stage.APPROVED)
    said: dict[str, Event] = {
        "opened": opened_by(granted(one, asked), "log/0#0/1"),
        "unknown": IntentEnded(asked.id, unknown(1)),
        "done": IntentEnded(asked.id, done(2)),
        "nothing": IntentEnded(asked.id, nothing_done(2)),
    }
    return [SuggestionNoted(noted), SuggestionNoted(one), *(said[each] for each in told)]


async def test_replayed_execution(world: World) -> None:
    """By the ledger a suggestion is under way once its intent is on record, and executed once that has ended."""
    events = [event for number, (told, _) in enumerate(ENDS) for event in executed(number, told)]
    single = await world.store()
    for event in (*events, *events):
        await single.apply(event)
    for store in (await world.store(events=events), await world.store(events=[*events, *events]), single):
        for number, (told, how) in enumerate(ENDS):
            found = await store.suggestion(f"01S{number}")
            assert found is not None
            assert (found.stage, found.intent) == (how, f"01C{number}" if told else "")
            assert (await store.facts(write("01Z", f"k:{number}", f"f1:{number}"))).suggested == found


@pytest.mark.parametrize("how", [Stage.REJECTED, Stage.EXPIRED, Stage.VOID])
async def test_end_stands_on_replay(world: World, how: Stage) -> None:
    """An intent on record undoes no end that a person or the time has given."""
    one = turned(suggestion(), how)
    carried = opened_by(granted(one, write("01C")), "log/0#0/1")
    store = await world.store(events=[SuggestionNoted(one), carried, IntentEnded("01C", done(2))])
    assert await stage(store) is how


async def test_later_intent_counts(world: World) -> None:
    """Of two intents of one suggestion the later one is what it was carried out as: the earlier lost its claim."""
    one = turned(suggestion(), Stage.APPROVED)
    first, second = (opened_by(granted(one, write(f"01{n}", f"k:{n}", f"f1:{n}")), f"log/0#0/{n}") for n in "CD")
    events: list[Event] = [SuggestionNoted(one), first, IntentEnded("01C", nothing_done(1)), second]
    store = await world.store(events=events)
    for event in events:
        await store.apply(event)
    found = await store.suggestion("01S")
    assert found is not None
    assert (found.stage, found.intent) == (Stage.EXECUTING, "01D")
    assert found.stage in LIVE
    assert found.expires - found.at == timedelta(hours=24)
