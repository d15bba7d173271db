"""
Safeguards of the program, taken away one at a time: each must be missed within a few seeds, or the world is too kind.

A row says what is no longer done, and how that is arranged: a method replaced, or a line of a script. The table that
`test_ablations.py` prints says by which seed each was found out, and which invariant did not hold.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from breakers import idempotency
from breakers.call import Applied
from breakers.known import Ended, State
from breakers.store.events import Event, IntentEnded, IntentOpened
from breakers.store.fleet import FleetStore
from breakers.store.protocol import HeldWrite, Permit, Reservation
from breakers.store.scripts import SCRIPTS, Script
from proxy import forward, naming
from proxy.killing import KillSwitch
from proxy.ledger import records
from proxy.ledger.book import Entry, Ledger
from proxy.ledger.remembered import Events
from tests.sim import redis_link
from tests.sim.disk import SimDisk

Arranged = contextlib.AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class Ablation:
    """
    One safeguard: what is not done any more, and what takes it away.
    """

    what: str
    away: Callable[[], Arranged]


def _in_lua(*lines: tuple[str, str]) -> Callable[[], Arranged]:
    """
    Return what replaces a text in every script that has it.
    """

    @contextlib.contextmanager
    def away() -> Iterator[None]:
        scripts = dict(SCRIPTS)
        for old, new in lines:
            found = {verb: script for verb, script in scripts.items() if old in script.text}
            assert found, f"no script says `{old}` any more"
            scripts |= {verb: _script(script.text.replace(old, new)) for verb, script in found.items()}
        with mock.patch.object(redis_link, "SCRIPTS", scripts):
            yield

    return away


def _script(text: str) -> Script:
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _instead(target: object, name: str, made: Callable[[Any], Any]) -> Callable[[], Arranged]:
    """
    Return what puts something of ours in a method's place, made of what was there.
    """
    return lambda: mock.patch.object(target, name, made(getattr(target, name)))


# ------------------------------------------------------------------------------------------------- what is done instead


def _unmarked(original: Any) -> Any:
    async def dispatch(self: FleetStore, held: HeldWrite, opened: IntentOpened) -> Permit:
        return Permit.GRANTED

    return dispatch


def _released(original: Any) -> Any:
    async def settle(self: FleetStore, held: Reservation, ended: Ended | None, answer: bytes | None = None) -> None:
        if ended is not None and ended.state is State.UNKNOWN:
            spent = tuple(0 for _ in held.go.charges)
            ended = replace(ended, state=State.COMPLETED, applied=False, spent=spent)
        await original(self, held, ended, answer)

    return settle


def _unwaited(original: Any) -> Any:
    async def conclude(self: Ledger, intent: Any, outcome: Any, shown: Any, spent: tuple[int, ...] = ()) -> Entry:
        call = intent.held.go.call
        self._pen.note(records.write_outcome(call, intent.index, outcome, shown, self._answer_bytes_max, spent))
        return Entry(call.id, 0, b"", "")

    return conclude


def _forgetful(original: Any) -> Any:
    def events(self: Events) -> Iterator[Event]:
        return iter(_ended(original(self)))

    return events


def _ended(events: Iterable[Event]) -> list[Event]:
    every = list(events)
    over = {event.intent for event in every if isinstance(event, IntentEnded)}
    return [event for event in every if not isinstance(event, IntentOpened) or event.intent in over]


def _hopeful(original: Any) -> Any:
    def judged(effect: Any, **said: Any) -> Any:
        applied, health, retry = original(effect, **said)
        return (Applied.NOT_APPLIED if applied is Applied.UNKNOWN else applied), health, retry

    return judged


def _ungated(original: Any) -> Any:
    def permit(self: KillSwitch, call: Any) -> Permit:
        return Permit.GRANTED

    return permit


def _unsynced(original: Any) -> Any:
    def sync(self: SimDisk, handle: Any) -> None:
        return None

    return sync


def _anyone(original: Any) -> Any:
    def framed(parts: list[str]) -> bytes:
        return original(parts[1:] if len(parts) == 3 else parts)  # type: ignore[no-any-return]

    return framed


def _keyless(original: Any) -> Any:
    def standing(call: Any, facts: Any, *names: str | None) -> Any:
        return original(call, facts, *(name for name in names if name is not None and not name.startswith("k:")))

    return standing


def _unlike(original: Any) -> Any:
    def names(self: naming.Namer, call: Any) -> Any:
        made = original(self, call)
        return made and replace(made, fingerprints=tuple(f"{one}{call.id}" for one in made.fingerprints))

    return names


EPOCH = tuple(
    (f"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {{'{word}'}} end\n", "") for word in ("lost", "lost-epoch")
)

ABLATIONS: Mapping[str, Ablation] = {
    "names": Ablation(
        "versions of names are not compared",
        _in_lua(("if (redis.call('HGET', KEYS[13 + i], '#') or '0') ~= ARGV[first + i] then return stale() end", "")),
    ),
    "epoch": Ablation("the epoch is not compared", _in_lua(*EPOCH)),
    "mark": Ablation("the dispatch mark is not asked for", _instead(FleetStore, "dispatch", _unmarked)),
    "claim": Ablation(
        "a claim that was taken over is sent all the same",
        _in_lua(
            ("if letter ~= 'c' and letter ~= 'd' then return {'lost'} end", "letter = letter == 'd' and 'd' or 'c'")
        ),
    ),
    "others": Ablation(
        "a rebuilt store opens without the other's ledger", _in_lua(("if #waits > 1 then return waits end", ""))
    ),
    "server": Ablation(
        "another server is taken for the same",
        _in_lua(("elseif server ~= ARGV[2] then", "elseif false then")),
    ),
    "room": Ablation(
        "nobody looks whether a cap has room",
        _in_lua(("if cap <= 0 or tonumber(charge.amount) > room then return i, settled, held end", "")),
    ),
    "held": Ablation(
        "what a call may take is not held",
        _in_lua(("add(charge.total, 'held', charge.amount)\n", "\n")),
    ),
    "twice": Ablation(
        "what is settled twice counts twice", _in_lua(("if was == state or was == 's' then return 0 end", ""))
    ),
    "unknown": Ablation("what nobody knows is given back", _instead(FleetStore, "settle", _released)),
    "start": Ablation("a start forgets what has no end", _instead(Events, "__iter__", _forgetful)),
    "sync": Ablation("a batch is not synced", _instead(SimDisk, "sync", _unsynced)),
    "outcome": Ablation("an answer does not wait for its record", _instead(Ledger, "conclude", _unwaited)),
    "repeat": Ablation("a key that was used is not recognised", _instead(idempotency, "standing", _keyless)),
    "again": Ablation("the same without a key is a new call", _instead(naming.Namer, "names", _unlike)),
    "doubt": Ablation("what may have happened is taken for nothing", _instead(forward, "judge_result", _hopeful)),
    "kill here": Ablation("the stop is not asked before the first byte", _instead(KillSwitch, "permit", _ungated)),
    "kill there": Ablation(
        "the stop is not asked in Redis",
        _in_lua(
            ("return true end\n  end\n  return false\nend\n", "end\n  end\n  return false\nend\n"),
        ),
    ),
    "whose": Ablation("a key is anybody's", _instead(naming, "framed", _anyone)),
}
