"""The parent's admin door over workers that are acted: who is asked, what is said of one that hangs, starts or ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from proxy.control.merged import HEARD, UNHEARD
from proxy.control.parent import ParentDoor
from proxy.control.summing import ParentMetrics
from proxy.control.workers import ANSWER_S, Answered, Asked, Workers
from proxy.seats import State
from tests.workers.test_seats import Stage, begun

JSON = {"Content-Type": "application/json"}

LOOK = (2, "GET", "/v1/kill?here=1&scope=all")

Says = Callable[[int, Asked], Answered | None]
Client = TestClient[web.Request, web.Application]


class Acting(Workers):
    """
    Workers that say what a test says; nobody who hangs is waited for.
    """

    def __init__(self, says: Says) -> None:
        super().__init__({})
        self.says, self.asked = says, list[tuple[int, str, str]]()
        self.is_closed = False

    async def ask(self, worker: int, asked: Asked, within_s: float = ANSWER_S) -> Answered | None:
        """
        Note what is asked, but for whether one lives.
        """
        assert not self.is_closed
        if asked.target != "/livez":
            self.asked.append((worker, asked.method, asked.target))
        return self.says(worker, asked)

    async def close(self) -> None:
        """
        Ask nobody any more.
        """
        self.is_closed = True


@dataclass
class Asking:
    """
    A parent's door, its seats, and whoever asks there.
    """

    stage: Stage
    workers: Acting
    door: ParentDoor
    client: Client

    async def ask(self, method: str, path: str, token: str = "") -> tuple[int, Any]:
        """
        Ask the parent.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.client.request(method, path, headers=headers) as answer:
            return answer.status, orjson.loads(await answer.read())


def says(status: int, body: object) -> Answered:
    """
    Return an answer.
    """
    return Answered(status, JSON, orjson.dumps(body))


def by_number(worker: int, _: Asked) -> Answered | None:
    """
    Answer with who answers.
    """
    return says(200, {"worker": worker})


def hangs(*workers: int) -> Says:
    """
    Have some workers hang.
    """
    return lambda worker, asked: None if worker in workers else by_number(worker, asked)


@asynccontextmanager
async def asking(count: int, said: Says = by_number) -> AsyncIterator[Asking]:
    """
    Give a parent's door over so many workers.
    """
    async with begun(count) as stage:
        workers = Acting(said)
        door = ParentDoor(stage.seats, workers, ParentMetrics(), lambda: "house", {}, stage.log)
        stage.seats._on_moved = door.moved
        async with TestClient(TestServer(door.app())) as client:
            yield Asking(stage, workers, door, client)
        await door.stops()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_one_hangs(method: str) -> None:
    """What any worker can answer is not asked of one that hangs; where all hang, that is said."""
    async with asking(3, hangs(1)) as on:
        assert await on.ask(method, "/v1/keys") == (200, {"worker": 2})
        assert on.workers.asked == [(2, method, "/v1/keys")]
        on.workers.says = hangs(1, 2, 3)
        assert (await on.ask(method, "/v1/keys"))[0] == {"GET": 503, "POST": 504}[method]


async def test_unknown() -> None:
    """An act whose answer did not come is asked of nobody else, and is not said to be undone."""
    async with asking(2, lambda worker, asked: None if asked.method == "POST" else by_number(worker, asked)) as on:
        status, said = await on.ask("POST", "/v1/keys")
        assert (status, said["error"]) == (504, "worker 1 was asked and did not answer")
        assert on.workers.asked == [(1, "POST", "/v1/keys")]


async def test_leaves() -> None:
    """A worker that is leaving is asked after the others."""
    async with asking(2) as on:
        on.stage.opens = {1: asyncio.Event()}
        rolling = asyncio.create_task(on.stage.seats.roll(lambda _: asyncio.sleep(0, True)))
        while on.stage.seats.all[0].serves:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0)
        assert await on.ask("GET", "/v1/keys") == (200, {"worker": 2})
        on.stage.opens[1].set()
        await rolling


async def test_restarted_again() -> None:
    """What is said of a restart is of this one, and not of the one before."""
    async with asking(2) as on:
        for _ in range(2):
            status, said = await on.ask("POST", "/v1/restart")
            assert (status, said["under_way"], said["done"]) == (202, True, [])
            while (said := (await on.ask("GET", "/v1/restart"))[1])["under_way"]:  # noqa: ASYNC110 so commands wait
                await asyncio.sleep(0)
            assert said["done"] == [1, 2]


async def test_restart_token() -> None:
    """How far a restart is sees who shows a token, and while nobody can say whose one is, who asked for the restart."""

    def let_in(_: int, asked: Asked) -> Answered:
        return says(200, {}) if asked.headers.get("Authorization") == "Bearer mine" else says(401, {})

    async with asking(1, let_in) as on:
        assert (await on.ask("GET", "/v1/restart"))[0] == 401
        assert (await on.ask("POST", "/v1/restart"))[0] == 401
        on.stage.opens = {1: asyncio.Event()}
        assert (await on.ask("POST", "/v1/restart", "mine"))[0] == 202
        while on.stage.seats.all[0].state is not State.STARTING:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0)
        status, said = await on.ask("GET", "/v1/restart", "mine")
        assert (status, said["under_way"]) == (200, True)
        assert [(await on.ask("GET", "/v1/restart", token))[0] for token in ("", "theirs")] == [503, 503]
        on.stage.opens[1].set()
        await on.stage.back(1, 2)
        assert (await on.ask("GET", "/v1/restart"))[0] == 401


async def test_stopping() -> None:
    """While workers end the parent says so, and they can be asked and stopped still."""
    async with asking(2) as on:
        await on.door.stops()
        status, said = await on.ask("GET", "/readyz")
        assert (status, said["why"]) == (503, ["stopping"])
        assert await on.ask("GET", "/v1/keys") == (200, {"worker": 1})
        assert (await on.ask("POST", "/v1/restart"))[0] == 409


STOP: Mapping[str, object] = {
    "scope": "all",
    "epoch": 3,
    "recorded": True,
    "shared": True,
    "confirmed": True,
    "why": None,
}


async def test_one_refuses() -> None:
    """A stop that a worker did not take is not said to be in force in all, nor to be confirmed."""
    async with asking(2, lambda worker, _: says(200, STOP) if worker == 1 else says(401, {"error": "who?"})) as on:
        status, said = await on.ask("POST", "/v1/kill")
        assert (status, said["confirmed"], said["why"]) == (200, False, "worker 2 says: who?")


async def test_stop_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop reaches a worker that was starting, once it serves, and none that knows of as new an order."""
    monkeypatch.setattr("proxy.control.laststop.AGAIN_S", 0.0)
    known, told = {1: 0, 2: 0}, list[tuple[int, str, bytes]]()
    mute = [2]

    def stopped(worker: int, asked: Asked) -> Answered | None:
        if asked.method == "GET":
            return says(200, {"record": {"epoch": known[worker]}})
        if worker in mute:
            mute.clear()
            return None
        told.append((worker, asked.headers.get("Authorization", ""), asked.body))
        known[worker] = 3
        return says(200, STOP)

    async def served(starts: int) -> None:
        looks = on.workers.asked.count(LOOK)
        on.stage.opens[2].set()
        await on.stage.back(2, starts)
        while on.workers.asked.count(LOOK) == looks or on.door._behind:  # noqa: ASYNC110 what is tested
            await asyncio.sleep(0.005)

    async with asking(2, stopped) as on:
        on.stage.opens = {2: asyncio.Event()}
        await on.stage.starting(2)
        order = orjson.dumps({"mode": "stop-all"})
        async with on.client.post("/v1/kill", data=order, headers={"Authorization": "Bearer mine"}) as answer:
            assert (await answer.json())["confirmed"]
        assert told == [(1, "Bearer mine", order)]
        # It does not answer at once.
        await served(2)
        assert told[1:] == [(2, "Bearer house", order)]
        for newer, starts in ((3, 3), (4, 4)):
            known[2], on.stage.opens = newer, {2: asyncio.Event()}
            await on.stage.starting(2)
            await served(starts)
        assert len(told) == 2


async def test_each() -> None:
    """What every process does for itself is done by each worker that the first one did not reach, or it is named."""
    first, heads = says(409, {"error": "no alarm"}), {HEARD: "replica-1,r9", UNHEARD: "replica-2;unanswered,r8;silent"}
    path = "/v1/drift/an/reset"

    def reset(worker: int, asked: Asked) -> Answered | None:
        if asked.target == "/livez":
            return says(200, {})
        answers = {1: Answered(409, {**JSON, **heads}, first.body), 2: says(200, {"agent": "an"}), 3: None}
        return answers[worker]

    async with asking(3, reset) as on:
        async with on.client.post(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"agent": "an", "replicas": ["replica-2"]})
            assert answer.headers[UNHEARD] == "r8;silent,replica-3;unanswered"
        assert on.workers.asked == [(1, "POST", path), (2, "POST", f"{path}?here=1"), (3, "POST", f"{path}?here=1")]
        on.workers.says = lambda *_: says(401, {})
        assert (await on.ask("POST", path))[0] == 401
        assert len(on.workers.asked) == 4


@pytest.mark.parametrize(("path", "then"), [("/v1/vault/stripe/versions", "/v1/vault"), ("/v1/reload", "/v1/reload")])
async def test_starts_meanwhile(path: str, then: str) -> None:
    """A worker that was just starting, and may have read what there was before, is told once it serves."""
    async with asking(2) as on:
        on.stage.opens = {2: asyncio.Event()}
        await on.stage.starting(2)
        doing = asyncio.create_task(on.ask("POST", path))
        while (1, "POST", path) not in on.workers.asked:  # noqa: ASYNC110 what is waited for is what is tested
            await asyncio.sleep(0)
        assert (2, "POST", then) not in on.workers.asked
        on.stage.opens[2].set()
        assert (await doing)[0] == 200
        assert (2, "POST", then) in on.workers.asked


async def test_replaced_meanwhile() -> None:
    """What a process counted is not taken for what the next one counts that is in its place once the answer is here."""
    async with asking(1) as on:
        seat = on.stage.seats.all[0]
        metrics = "# TYPE breakwater_calls_total counter\nbreakwater_calls_total {}\n"

        def counted(count: int) -> Answered:
            return Answered(200, {}, metrics.format(count).encode())

        def replaced(_: int, __: Asked) -> Answered:
            assert seat.process is not None
            seat.process.pid += 100
            return counted(7)

        totals = []
        for said in (lambda _, __: counted(5), replaced, lambda _, __: counted(1)):
            on.workers.says = said
            async with on.client.get("/metrics") as answer:
                lines = (await answer.text()).splitlines()
            totals += [line for line in lines if line.startswith("breakwater_calls_total ")]
        assert totals == [f"breakwater_calls_total {count}" for count in ("5.0", "5.0", "6.0")]
