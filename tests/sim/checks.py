"""
What must be true of a deployment, at every moment and in the end; each check names itself where it fails.

The oracles are the upstream's own count of effects and money, what agents were answered, and the raw records of both
ledgers: nothing of the program is asked whether it did well.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.ledger.blobs import Opening
from proxy.ledger.layout import LEDGER
from proxy.ledger.read import Payloads, Record, last_records
from proxy.ledger.verify import verify
from tests.crash.totals import spent_on_record
from tests.sim.redis_data import Sorted

if TYPE_CHECKING:
    from tests.sim.world import World

ALL = 10**9

_NAMES = re.compile(r"\b(?:ann|bob|zoe)/\d+\b")

UNTOLD = frozenset({"outcome-unknown", "idempotency-in-flight"})


class Broken(AssertionError):
    """
    An invariant that did not hold: which, and how.
    """

    def __init__(self, invariant: str, how: str) -> None:
        super().__init__(f"{invariant}: {how}")
        self.invariant = invariant


def held(true: object, invariant: str, how: object) -> None:
    """
    Raise `Broken` where something is not so.
    """
    if not true:
        raise Broken(invariant, str(how))


ONCE, RECORDED, CAPPED, STOPPED, ALONE, ALIVE, VERIFIES, ADDS_UP, TRUE, FORESEEN = (
    "effect at most once",
    "acknowledged is recorded",
    "spend within the cap",
    "nothing after a kill",
    "no bytes of others",
    "alive after healing",
    "ledgers verify",
    "totals are the ledgers' sums",
    "what is said is so",
    "nothing unforeseen",
)


@dataclass(slots=True)
class Records:
    """
    Both ledgers as they are in the end, with the write that each intent is of.
    """

    entries: list[Mapping[str, Any]] = field(default_factory=list)
    writes: dict[str, str] = field(default_factory=dict)
    effects: dict[str, set[str]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    decisions: set[str] = field(default_factory=set)
    concluded: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, world: World) -> Records:
        """
        Read both disks.
        """
        made = cls()
        for machine in world.machines:
            state = Path(f"/sim/{machine.name}")
            payloads = Payloads(machine.disk, state)
            try:
                for record in last_records(machine.disk, state / LEDGER, ALL):
                    made._take(record, payloads)
            finally:
                payloads.close()
        return made

    def _take(self, record: Record, payloads: Payloads) -> None:
        entry = record.entry
        self.entries.append(entry)
        call = str(entry.get("call", ""))
        match entry["k"]:
            case "call.intent":
                opened = payloads.open(record)
                said = opened["req"]
                assert not isinstance(said, Opening), f"the request of {call} does not open: {said}"
                (self.writes[call],) = set(_NAMES.findall(said.data.decode()))
                self.outcomes.setdefault(call, "open")
            case "call.outcome":
                self.outcomes[call] = entry["eff"]
                self.concluded.add(call)
            case "recovery.resolved" if entry["state"] == "completed":
                self.outcomes[call] = entry["eff"]
            case "call.decision":
                self.decisions.add(call)
            case _:
                pass

    def ends(self, write: str) -> set[str]:
        """
        Return how the intents of a write ended.
        """
        return {self.outcomes[call] for call, name in self.writes.items() if name == write}


def all_hold(world: World) -> Records:
    """
    Check everything that can be checked once all is quiet. Raise `Broken` for the first that does not hold.
    """
    foreseen(world)
    for machine in world.machines:
        report = verify(machine.disk, Path(f"/sim/{machine.name}"))
        held(not report.findings, VERIFIES, f"{machine.name}: {report.findings}")
    records = Records.of(world)
    once(world)
    recorded(world, records)
    true(world, records)
    alone(world, records)
    capped(world, records)
    adds_up(world, records)
    return records


def foreseen(world: World) -> None:
    """
    Nothing was logged as a failure, no callback raised, and every start succeeded.
    """
    failures = list(world.scheduler.failures)
    for machine in world.machines:
        for life in machine.lives:
            failures += life.log.failures
            if life.fault is not None:
                failures.append(f"{life!r} did not start: {life.fault!r}")
    held(not failures, FORESEEN, failures[:3])


def once(world: World) -> None:
    """
    No write took effect twice.
    """
    twice = {write: count for write, count in world.till.effects.items() if count > 1}
    held(not twice, ONCE, twice)


def recorded(world: World, records: Records) -> None:
    """
    Whatever arrived at the upstream is on record as an intent; whatever was answered is on record with its end.
    """
    meant = set(records.writes.values())
    for arrived in world.till.arrived:
        held(arrived.write in meant, RECORDED, f"{arrived} is on no record")
    for agent in world.agents:
        for seen in agent.answers:
            if not seen.write or seen.status >= 500:
                continue
            if seen.outcome == "executed" and seen.gate == "forward" and seen.reason not in UNTOLD:
                # What a doubt found out later is not what was said then.
                end = records.outcomes.get(seen.call, "on no record")
                held(
                    seen.call in records.concluded, RECORDED, f"{seen.call} of {seen.write} was answered, and is {end}"
                )
            elif seen.outcome == "denied" and seen.reason not in UNTOLD and seen.status == 403:
                # What was stopped at the last moment is on record as a write that was not sent.
                told = seen.call in records.decisions or records.outcomes.get(seen.call) == "not_applied"
                held(told, RECORDED, f"{seen} was refused on no record")


def true(world: World, records: Records) -> None:
    """
    What a record says of an effect is what the upstream did, and so is what an agent was told.
    """
    for write in sorted(set(records.writes.values())):
        ends, done = records.ends(write), world.till.effects[write]
        held("applied" not in ends or done == 1, TRUE, f"{write} is on record as done, and was done {done} times")
        held(ends != {"not_applied"} or done == 0, TRUE, f"{write} is on record as not done, and was done {done} times")
    for agent in world.agents:
        for seen in agent.answers:
            if seen.write and seen.status == 201:
                done = world.till.effects[seen.write]
                held(done == 1, TRUE, f"{seen.write} was answered as done, and was done {done} times")


def alone(world: World, records: Records) -> None:
    """
    Nobody is shown anything of somebody else's, nor the answer to another request of their own.
    """
    for agent in world.agents:
        others = [other.name for other in world.agents if other is not agent]
        for seen in agent.answers:
            text = seen.body.decode()
            for other in others:
                held(f"{other}/" not in text and f"only-{other}" not in text, ALONE, f"{agent.name} sees {text[:120]}")
            meant = records.writes.get(seen.headers.get("breakwater-intent", ""), f"{agent.name}/")
            held(meant.startswith(f"{agent.name}/"), ALONE, f"{agent.name} is told of {meant}")
            if seen.status == 201:
                said = json.loads(text)
                shown = said.get("reference") or said.get("text")
                held(shown == seen.write, ALONE, f"{seen.write} is answered with {shown}")
            elif seen.status == 200 and not seen.write:
                held(json.loads(text)["id"] == agent.name, ALONE, f"{agent.name} reads {text[:80]}")


def _is_exact(world: World) -> bool:
    """
    Tell whether what is held is within the caps, too, and not only what was moved.

    A claim that lapsed gives its room to whoever takes it over. Where its intent becomes durable all the same, and its
    process dies before it has recorded that nothing of it was sent, it is in doubt from then on, and held once more.
    """
    return not world.counted["claims given up"]


def within_caps(world: World) -> None:
    """
    No total is above its cap in Redis, and no agent has moved more money than its caps allow.
    """
    for name, caps in world.caps().items():
        held(world.till.money[name] <= caps, CAPPED, f"{name} has moved {world.till.money[name]} of {caps}")
    for key, value in world.shore.model.keys.values.items():
        if b"}:total:" in key and isinstance(value, dict) and value.get(b"cap", b"0") != b"0":
            sum_ = int(value.get(b"settled", b"0")) + int(value.get(b"held", b"0"))
            held(sum_ <= int(value[b"cap"]) or not _is_exact(world), CAPPED, f"{key.decode()} is {value}")


def capped(world: World, records: Records) -> None:
    """
    The ledgers' own sums are within the caps, too.
    """
    within_caps(world)
    caps = {"|".join(charge[:3]): int(charge[5]) for entry in records.entries for charge in entry.get("bud") or ()}
    for key, (taken, still) in spent_on_record(records.entries).items():
        held(
            taken + (still if _is_exact(world) else 0) <= caps[key],
            CAPPED,
            f"{key}: {taken} and {still} are on record, of {caps[key]}",
        )


def adds_up(world: World, records: Records) -> None:
    """
    What Redis counts is what the ledgers add up to.
    """
    on_record = spent_on_record(records.entries)
    stood: dict[str, tuple[int, int]] = {}
    for key, value in world.shore.model.keys.values.items():
        if b"}:total:" in key and isinstance(value, dict):
            sums = int(value.get(b"settled", b"0")), int(value.get(b"held", b"0"))
            stood[key.decode().partition("}:total:")[2]] = sums
    for name, amount in _unrecorded(world):
        taken, still = stood[name]
        stood[name] = taken, still - amount
    stood = {name: sums for name, sums in stood.items() if sums != (0, 0)}
    held(stood == on_record, ADDS_UP, f"{_differences(stood, on_record)}")


def _unrecorded(world: World) -> Iterator[tuple[str, int]]:
    """
    Yield what reads hold of which nobody heard that it was held for them: it is given back when its time comes.
    """
    values = world.shore.model.keys.values
    for key, lapsing in list(values.items()):
        if key.endswith(b"}:lapsing") and isinstance(lapsing, Sorted):
            for _, call in lapsing.order:
                hold = values[key.removesuffix(b"lapsing") + b"hold:" + call]
                assert isinstance(hold, bytes)
                amounts, packed, _ = hold.split(b"\n")
                for amount, charge in zip(amounts.split()[1:], json.loads(packed), strict=True):
                    yield "|".join(charge[:3]), int(amount)


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {key: (one.get(key), other.get(key)) for key in sorted({*one, *other}) if one.get(key) != other.get(key)}


def counted(world: World, records: Records) -> Counter[str]:
    """
    Return what happened how often: what a run must have reached to mean anything.
    """
    found = Counter(world.counted)
    for agent in world.agents:
        for seen in agent.answers:
            what = seen.reason or seen.outcome
            found[f"answer {what}"] += 1
    found.update(f"record {entry['k']}" for entry in records.entries)
    found["seeds"] = 1
    found["effects"] = world.till.effects.total()
    found["arrivals without effect"] = sum(not one.was_done for one in world.till.arrived)
    return found
