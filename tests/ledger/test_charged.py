"""What a call takes of its caps, on record: said before it leaves and at its end, and told again at every start."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Applied, Sent
from breakers.caveats import Caveat
from breakers.known import Ended, State
from breakers.spend import CALLS, WRITES, Charge
from breakers.store.events import Event, IntentEnded, IntentOpened, ReadHeld, ReadSettled
from breakers.store.protocol import HeldRead, HeldWrite
from breakers.task import Task
from config.caps import Caps
from proxy.errors import LedgerUnavailable
from proxy.ledger import charges, profile, records, repeats
from proxy.ledger.book import Ledger
from proxy.ledger.compose import ENTRY_BYTES_MAX, _spell
from proxy.ledger.doubts import Resolved
from proxy.ledger.drafts import Draft
from proxy.ledger.read import last_records
from proxy.ledger.writer import State as WriterState
from tests.ledger.test_doubts import ABSENT, FOUND, PARKED
from tests.ledger.world import (
    FOLDER,
    START,
    Answered,
    World,
    commit_now,
    declined,
    delivered,
    kinds_in,
    outcome,
    read,
    wire,
    write,
)
from tests.ledger.world import call as a_call

MONTH_ENDS = datetime(2026, 12, 1, tzinfo=UTC)

USD = "moved:USD"

CHARGES = (
    Charge("task:clerk/01T", "life", CALLS, 1, cap=6, until=START + timedelta(hours=1), alerts=(50, 100)),
    Charge("agent:clerk", "2026-11", USD, 12_000_000, cap=5_000_000_000, until=MONTH_ENDS),
    Charge("agent:clerk", "2026-11", WRITES, 1, cap=9),
)

SPENT = (1, 11_500_000, 1)


def charged_write(number: int = 1, **more: Any) -> HeldWrite:
    return HeldWrite(replace(write(number, **more).go, charges=CHARGES))


def charged_read(number: int = 1, **more: Any) -> HeldRead:
    return HeldRead(replace(read(number, **more).go, charges=CHARGES[:1]))


def events(world: World, **more: Any) -> list[Event]:
    """What the next start tells, which is what is read anew."""
    again = World(disk=world.disk.after_kill(), clock=world.clock, remembered_s=world.remembered_s).open(**more)
    at_start = list(again.recovered.events)[1:]
    assert sorted(map(repr, at_start)) == sorted(map(repr, again.events()[1:]))
    return at_start


def entries(world: World, kind: str) -> list[Any]:
    found = last_records(world.disk, FOLDER / "ledger", 10**6)
    return [record.entry for record in found if record.kind == kind]


@given(
    st.lists(
        st.builds(
            Charge,
            node=st.from_regex(r"(task|agent|team|api|token):[a-z_/0-9]{1,30}", fullmatch=True),
            period=st.sampled_from(["life", "2026-11", "2026-11-21", "2026-11-21T14+01:00"]),
            measure=st.sampled_from([CALLS, WRITES, USD, "paid:JPY"]),
            amount=st.integers(0, 2**53),
            cap=st.integers(1, 2**53),
            until=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
            alerts=st.lists(st.integers(1, 100), max_size=8).map(tuple),
        ),
        max_size=16,
    ),
    st.data(),
)
def test_spelled(said: list[Charge], data: st.DataObject) -> None:
    """Charges and what was taken of them are read as they were written, within the profile of entries."""
    every = tuple(said)
    took = tuple(data.draw(st.integers(0, 2**60)) for _ in every)
    fields = {"bud": charges.bud(every), "spent": charges.spent(took)}
    profile.check(fields)
    assert charges.charges_of(fields if every else {}) == every
    assert charges.spent_of({name: said for name, said in fields.items() if said is not None}, every) == took


@pytest.mark.parametrize(
    ("row", "cap", "alerts"),
    [
        (["agent:clerk", "life", "calls", "1", None], 0, ()),
        (["agent:clerk", "life", "calls", "1", None, "6", []], 6, ()),
        (["agent:clerk", "life", "calls", "1", None, "6", [50, 100]], 6, (50, 100)),
    ],
)
def test_cap(row: list[Any], cap: int, alerts: tuple[int, ...]) -> None:
    """A charge has its cap on record, and at what part of it people are told; one without has neither, as of old."""
    (charge,) = charges.charges_of({"bud": [row]})
    assert charge == Charge("agent:clerk", "life", CALLS, 1, cap, alerts=alerts)
    assert charges.bud((charge,)) == [row]


def test_most() -> None:
    """As many charges as a call can have, each as long as one gets, leave room in an entry for all else."""
    longest = "task:" + "a" * 64 + "/" + "0" * 26
    money = 2**53
    one = Charge(longest, "2026-11-21T14+01:00", USD, money, money, MONTH_ENDS, tuple(range(93, 101)))
    assert len(_spell({"bud": charges.bud((one,) * 16), "spent": charges.spent((money,) * 16)})) < ENTRY_BYTES_MAX / 3


def test_not_said() -> None:
    """Where an end does not say what was taken of each charge, all of it was."""
    assert charges.spent_of({}, CHARGES) == (1, 12_000_000, 1)
    assert charges.spent_of({"spent": ["0"]}, CHARGES) == (1, 12_000_000, 1)


@pytest.mark.parametrize(
    ("applied", "more", "spent"),
    [
        (Applied.APPLIED, {}, SPENT),
        (Applied.NOT_APPLIED, {"status": 402}, (1, 0, 0)),
        # Its names are free again, and still it was a call.
        (Applied.NOT_APPLIED, {"status": 429}, (1, 0, 0)),
        (Applied.NOT_APPLIED, {"status": None, "sent": Sent.NO}, (0, 0, 0)),
        (Applied.UNKNOWN, {"status": 500}, ()),
    ],
)
async def test_write(applied: Applied, more: dict[str, Any], spent: tuple[int, ...]) -> None:
    """A write's charges are told with its intent, and what it took with its end, whatever the end."""
    world = World()
    ledger = world.started()
    intent = await ledger.intend(charged_write(), wire())
    assert intent.opened.charges == CHARGES
    entry = await ledger.conclude(intent, replace(outcome(applied), **more), Answered(), spent)
    await ledger.close("stopped")
    opened, ended = events(world)
    assert opened == intent.opened
    assert isinstance(ended, IntentEnded)
    assert (ended.ended.spent, ended.ended.place) == (spent, entry.place)
    (said,) = entries(world, "call.outcome")
    assert said.get("spent") == ([str(one) for one in spent] or None)


async def test_uncharged() -> None:
    """A call above which no cap stands has nothing of all that on record."""
    world = World()
    ledger = world.started()
    await ledger.conclude(await ledger.intend(write(), wire()), outcome(), Answered())
    await ledger.read_done(read(2), outcome(), delivered())
    await ledger.close("stopped")
    assert all("bud" not in said for said in entries(world, "call.intent"))
    assert all("spent" not in said for said in entries(world, "call.outcome"))


@pytest.mark.parametrize(
    ("resolved", "spent"),
    [
        ((), None),
        ((PARKED,), None),
        ((replace(FOUND, spent=SPENT),), SPENT),
        ((PARKED, replace(FOUND, spent=SPENT)), SPENT),
        ((replace(ABSENT, spent=(1, 0, 0)),), (1, 0, 0)),
    ],
)
@pytest.mark.parametrize("moves", [0, 1, 2])
async def test_doubt(resolved: tuple[Resolved, ...], spent: tuple[int, ...] | None, moves: int) -> None:
    """A doubt keeps its charges over starts and new logs, until what it took is on record."""
    world = World()
    ledger = world.started()
    opened = (await ledger.intend(charged_write(), wire())).opened
    await ledger.doubt_opened(opened)
    for number in range(moves):
        await ledger.close("stopped")
        world = World(disk=world.disk.after_kill())
        ledger = world.open(new_epoch=f"move {number}")
        ledger.start(asyncio.get_running_loop())
        (found,) = ledger.recovered.open_intents
        assert found.charges == CHARGES
    for one in resolved:
        await ledger.doubt_resolved(opened, one)
    await ledger.close("stopped")
    first, *rest = events(world)
    assert isinstance(first, IntentOpened)
    assert first.charges == CHARGES
    (end,) = rest
    assert isinstance(end, IntentEnded)
    if spent is None:
        assert (end.ended.state is State.COMPLETED, end.ended.spent) == (False, ())
    else:
        assert (end.ended.state, end.ended.spent) == (State.COMPLETED, spent)


async def test_doubt_of_lost_log() -> None:
    """A doubt that was carried over keeps its charges although its own log cannot be read any more."""
    world = World()
    ledger = world.started()
    opened = (await ledger.intend(charged_write(), wire())).opened
    await ledger.close("stopped")
    world = World(disk=world.disk.after_kill())
    ledger = world.open(new_epoch="moved")
    world.disk.write(FOLDER / "ledger" / "000001" / "seg-00000000000000000000.bwl", b"gone")
    assert [event for event in ledger.events() if isinstance(event, IntentOpened)] == [opened]


async def test_read() -> None:
    """A read that is charged is durable before it is sent and once it has ended, and told with what it took."""
    world = World()
    ledger = world.started()
    held = charged_read()
    await ledger.charged_reads.held(held)
    assert kinds_in(world.disk.after_power_loss())[-1] == "call.held"
    assert events(world) == [ReadHeld(held.go.call.id, START, CHARGES[:1])]
    await ledger.charged_reads.ended(held, outcome(), delivered(), (1,))
    assert kinds_in(world.disk.after_power_loss())[-2:] == ["call.held", "call.outcome"]
    assert events(world) == [ReadHeld(held.go.call.id, START, CHARGES[:1]), ReadSettled(held.go.call.id, (1,))]
    await ledger.close("stopped")


async def test_read_not_held() -> None:
    """Where little can be recorded, no read is held, and one that is under way still has its end on record."""
    world = World()
    ledger = world.started()
    await ledger.charged_reads.held(charged_read(1))
    ledger._writer.state = WriterState.READONLY
    with pytest.raises(LedgerUnavailable):
        await ledger.charged_reads.held(charged_read(2))
    await ledger.charged_reads.ended(charged_read(1), outcome(), delivered(), (0,))
    await ledger.close("stopped")
    assert [event for event in events(world) if isinstance(event, ReadSettled)] == [
        ReadSettled(charged_read(1).go.call.id, (0,))
    ]


async def test_read_over_logs() -> None:
    """A read whose end stands in the next log is told with both; one from before the bound is told no more."""
    world = World(remembered_s=86_400)
    ledger = world.started()
    await ledger.charged_reads.held(charged_read(1))
    await ledger.charged_reads.held(charged_read(2))
    await ledger.close("stopped")
    world = replace(world, disk=world.disk.after_kill())
    ledger = world.open(new_epoch="moved")
    ledger.start(asyncio.get_running_loop())
    await ledger.charged_reads.ended(charged_read(2), outcome(), delivered(), (1,))
    await ledger.close("stopped")
    one, two = (charged_read(number).go.call.id for number in (1, 2))
    held = [ReadHeld(call, START, CHARGES[:1]) for call in (one, two)]
    assert events(world) == [held[1], ReadSettled(two, (1,)), held[0]]
    world.clock.move(86_401)
    assert events(world) == []


def test_over() -> None:
    """An entry that is too large keeps what its call takes."""
    entry: dict[str, object] = {
        "v": 1,
        "bud": charges.bud(CHARGES),
        "spent": charges.spent(SPENT),
        "odd": ["x" * ENTRY_BYTES_MAX],
    }
    kept = _spell(entry)
    assert b'"over":true' in kept
    assert b'"bud":[["task:clerk/01T"' in kept
    assert b'"spent":["1","11500000","1"]' in kept


TASK = Task(
    "clerk/01T",
    "clerk",
    START,
    START + timedelta(hours=1),
    Caps(),
    record="stripe:ch_1",
    model="model-7",
    prompt="not a label",
)


def under_task(ledger: Ledger) -> list[Draft]:
    """One record of each kind that a call under an opened task makes, its token narrowed twice."""
    caveats = (Caveat("m", "POST", "a" * 16), Caveat("n", "3", "b" * 16))
    caller = replace(a_call().caller, opened=TASK, tokens=("t" * 16, "a" * 16, "b" * 16), caveats=caveats)
    call = replace(a_call(), caller=caller)
    go, seen = replace(charged_write().go, call=call), replace(charged_read().go, call=call)
    return [
        records.intent(HeldWrite(go), wire(), ledger.ring, b"r" * 32),
        records.write_outcome(call, 2, outcome(), Answered(), 99, SPENT),
        records.read_held(seen, ledger.ring),
        records.read_outcome(replace(charged_read(), go=seen), outcome(), delivered(), ledger.ring, (1,)),
        records.refusal(replace(declined(), caller=caller), ledger.ring),
        repeats.delivery_aborted(call, 0),
    ]


async def test_labels() -> None:
    """Every record of a call under an opened task has its labels, as far as they look like labels."""
    world = World()
    ledger = world.open()
    drafts = under_task(ledger)
    commit_now(ledger, *drafts)
    said = [record.entry for record in last_records(world.disk, FOLDER / "ledger", len(drafts))]
    assert [entry["k"] for entry in said] == [draft.kind for draft in drafts]
    assert [entry["lab"] for entry in said] == [{"model": "model-7", "rec": "stripe:ch_1"}] * len(drafts)
    assert [entry["act"]["cav_n"] for entry in said] == [2] * len(drafts)


def test_end_names_free() -> None:
    """What a write took is said of an end that leaves its names free, and of none that nobody knows."""
    assert Ended(State.COMPLETED, START, spent=SPENT).spent == SPENT
