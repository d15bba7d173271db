"""Events have one property: whatever has happened, a store that was told them knows how each write stands and where."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from breakers.call import Applied
from breakers.known import State
from breakers.store.events import Event, IntentOpened
from breakers.store.memory import MemoryStore
from proxy.ledger import records, repeats
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import system
from proxy.ledger.places import read_place
from tests.ledger.test_doubts import ABSENT, FOUND, PARKED
from tests.ledger.test_remembered import names
from tests.ledger.world import START, Answered, World, commit_now, outcome, small_segments, wire, write
from tests.ledger.world import call as a_call

STEPS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(["intent", "applied", "refused", "unknown", "found", "absent", "parked", "missed", "reached"]),
    ),
    max_size=12,
)


@given(STEPS, st.lists(st.booleans(), max_size=3))
def test_told_as_it_stands(steps: list[tuple[int, str]], stops: list[bool]) -> None:
    """After any history, over any starts and new logs, a store knows of each write how it stands and where."""
    world, model = World(settings=small_segments(3000)), _Model()
    ledger = world.open()
    for at, (number, step) in enumerate(steps):
        model.take(ledger, number, step)
        if at % 4 == 3 and stops:
            world = World(disk=world.disk.after_kill(), settings=world.settings)
            ledger = world.open(new_epoch="moved" if stops.pop() else None)
    again = World(disk=world.disk.after_kill()).open()
    assert asyncio.run(_known_by(again.recovered.events)) == model.stands
    assert asyncio.run(_known_by(again.events())) == model.stands


async def _known_by(events: Iterable[Event]) -> dict[str, tuple[object, ...]]:
    store = MemoryStore(lambda: START)
    await store.start(events)
    found = [await store.earlier(a_call(number).id) for number in range(1, 5)]
    return {one.intent: (one.state, one.applied, one.place, one.key) for one in found if one is not None}


class _Model:
    """What is known of four writes, said in one line each."""

    def __init__(self) -> None:
        self.stands: dict[str, tuple[object, ...]] = {}
        self.opened: dict[str, IntentOpened] = {}
        self.freed: set[str] = set()

    def take(self, ledger: Ledger, number: int, step: str) -> None:
        call, key = a_call(number, names=names(number)), f"k:{number}"
        stood = self.stands.get(call.id)
        if step == "intent":
            if call.id not in self.opened:
                (at,) = commit_now(
                    ledger, records.intent(write(number, names=names(number)), wire(), ledger.ring, b"r")
                )
                said = (call.id, "stripe", "refunds.create", "support_refund_agent", call.caller.task, START)
                self.opened[call.id] = IntentOpened(*said, call.names, 0, at.place)
                self.stands[call.id] = (State.UNKNOWN, None, "", key)
        elif step in {"missed", "reached"}:
            commit_now(ledger, repeats.delivery_aborted(call, 0))
        elif stood is not None and stood[0] is not State.COMPLETED:
            self._end(ledger, number, step, key)

    def _end(self, ledger: Ledger, number: int, step: str, key: str) -> None:
        call = a_call(number)
        opened, outcomes = self.opened[call.id], {"applied": Applied.APPLIED, "refused": Applied.NOT_APPLIED}
        resolutions = {"found": FOUND, "absent": ABSENT, "parked": PARKED}
        here = read_place(opened.place)
        if step in resolutions:
            resolved = resolutions[step]
            applied = None if resolved is PARKED else resolved is FOUND
            fields = {"eff": str(resolved.applied), "state": str(resolved.state), "by": "operator", "why": "said"}
            former = here.origin if here.origin != ledger.origin else None
            draft = system(
                "recovery.resolved", intent=here.index, of=former, keeps=resolved.keeps, st=resolved.status, **fields
            )
            (at,) = commit_now(ledger, replace(draft, call=call.id))
            self._stands(call.id, resolved.state, applied, at.place, key, keeps=resolved.keeps or resolved is PARKED)
        elif here.origin == ledger.origin and self.stands[call.id][2] == "" and call.id not in self.freed:
            said = outcomes.get(step, Applied.UNKNOWN)
            if step == "unknown" or step in outcomes:
                ended = replace(outcome(said), status=402 if step == "refused" else 200)
                (at,) = commit_now(ledger, records.write_outcome(call, here.index, ended, Answered(), 99))
                state = State.UNKNOWN if step == "unknown" else State.COMPLETED
                self._stands(call.id, state, said is Applied.APPLIED if step in outcomes else None, at.place, key)

    def _stands(
        self, intent: str, state: State, applied: bool | None, place: str, key: str, *, keeps: bool = True
    ) -> None:
        self.stands[intent] = (state, applied, place, key)
        if state is State.COMPLETED and not keeps:
            del self.stands[intent]
