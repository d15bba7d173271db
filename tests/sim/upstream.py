"""
The upstream of a simulation: a till that pays out and takes notes, counts each effect, and fails as it is told to.

Payouts go under keys: the same key gives the same answer again and pays once. Notes have no keys; whoever lost the
answer finds them in their list. What a request says of itself, which write it is and whose, stands in its body.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.sim.loop import ProcessLoop
from tests.sim.messages import Message, response

PAGE = 20


class Mood(StrEnum):
    """
    What becomes of one request.
    """

    WELL = "well"
    SLOW = "slow"
    HANGS = "hangs"
    ANSWER_LOST = "answer lost"
    RESET = "reset"
    FAILS = "fails"
    FAILS_AFTER = "fails after"
    THROTTLES = "throttles"
    REJECTS = "rejects"


@dataclass(frozen=True, slots=True)
class Arrived:
    """
    One write that arrived: when, through which process, which write it is, and whether it was done now.
    """

    at: float
    process: str
    write: str
    was_done: bool


@dataclass(slots=True)
class Till:
    """
    What was done, by write and by agent.
    """

    loop: ProcessLoop
    mood: Callable[[bool], Mood]
    stamp: Callable[[], str]
    effects: Counter[str] = field(default_factory=Counter)
    money: Counter[str] = field(default_factory=Counter)
    arrived: list[Arrived] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    notes: list[dict[str, Any]] = field(default_factory=list)
    on_arrival: Callable[[Arrived], None] = lambda _: None
    _keys: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def serve(self, process: str, asked: Message, transport: asyncio.Transport) -> None:
        """
        Do what a request asks for, now, and answer when and if its mood has it so.
        """
        method, target = asked.first[:2]
        mood = self.mood(method != "GET")
        if mood is Mood.REJECTS and asked.headers.get("idempotency-key", "") in self._keys:
            # What was answered under a key is answered again, whatever would be said of it now.
            mood = Mood.WELL
        if mood is Mood.RESET:
            transport.abort()
            return
        if mood in {Mood.FAILS, Mood.THROTTLES, Mood.REJECTS}:
            status = {Mood.FAILS: 503, Mood.THROTTLES: 429, Mood.REJECTS: 422}[mood]
            self._count(process, asked, done=False)
            self._answer(transport, status, _fault("no"), 0.002)
            return
        status, body = self._write(process, asked, target) if method == "POST" else self._read(target)
        if mood is Mood.ANSWER_LOST:
            transport.abort()
        elif mood is Mood.FAILS_AFTER:
            self._answer(transport, 500, _fault("broken"), 0.002)
        elif mood is not Mood.HANGS:
            pause = self.loop.scheduler.rng
            self._answer(
                transport, status, body, pause.uniform(0.3, 3.4) if mood is Mood.SLOW else pause.uniform(0.001, 0.03)
            )

    def _answer(self, transport: asyncio.Transport, status: int, body: bytes, after_s: float) -> None:
        self.loop.call_later(after_s, transport.write, response(status, {}, body))

    def _count(self, process: str, asked: Message, *, done: bool) -> None:
        if asked.first[0] == "GET":
            return
        said = json.loads(asked.body)
        arrived = Arrived(self.loop.scheduler.now, process, _write_of(said), done)
        self.arrived.append(arrived)
        self.on_arrival(arrived)

    def _write(self, process: str, asked: Message, target: str) -> tuple[int, bytes]:
        said, key = json.loads(asked.body), asked.headers.get("idempotency-key", "")
        if key and key in self._keys:
            self._count(process, asked, done=False)
            return self._keys[key]
        self._count(process, asked, done=True)
        write = _write_of(said)
        self.effects[write] += 1
        made = {"id": f"t_{len(self.notes)}_{self.effects.total()}", "created": self.stamp(), **said}
        if target == "/v1/notes":
            self.notes.append(made)
        else:
            self.money[write.partition("/")[0]] += said["amount"]
        answer = 201, json.dumps(made).encode()
        if key:
            self._keys[key] = answer
        return answer

    def _read(self, target: str) -> tuple[int, bytes]:
        path, _, query = target.partition("?")
        self.reads[path] += 1
        match path.split("/")[2:]:
            case ["accounts", account]:
                return 200, json.dumps({"id": account, "for": f"only-{account}"}).encode()
            case ["notes"]:
                page = max(1, int(query.partition("page=")[2] or "1"))
                newest = self.notes[::-1][(page - 1) * PAGE : page * PAGE]
                return 200, json.dumps(newest).encode()
            case ["notes", note]:
                found = [one for one in self.notes if one["id"] == note]
                return (200, json.dumps(found[0]).encode()) if found else (404, _fault("none"))
            case _:
                pass
        return 404, _fault("none")


def _fault(word: str) -> bytes:
    return json.dumps({"fault": {"word": word}}).encode()


def _write_of(said: dict[str, Any]) -> str:
    """
    Return which write a body is of.
    """
    return str(said.get("reference") or said.get("text"))
