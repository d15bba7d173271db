"""
The admin door of a parent: what it knows itself, and the way to its workers, who answer everything else.

It lets nobody in by itself: a call is passed on with the token that was shown, and a worker says who that is and what
he or she may do; so a restart is asked of a worker first. `spread` says whom a call is for.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from proxy.control.laststop import LastStop
from proxy.control.merged import HEARD, LIVE, MERGED, SILENT, UNHEARD
from proxy.control.reply import refuse, reply
from proxy.control.spread import SPREAD, Spread
from proxy.control.summing import ParentMetrics, Totals, read, spelled
from proxy.control.told import error_of, heard_by, named, not_heard, ordered, together
from proxy.control.workers import ANSWER_S, LIVES_S, LOOK_S, STOPPED_S, TOLD_S, Answered, Asked, Workers
from proxy.logline import Log
from proxy.seats import Seat, Seats, State

BODY_BYTES_MAX = 64 * 1024

NOBODY = "no worker serves at the moment, so nobody can be asked"
UNKNOWN_HINT = "nobody here knows whether it was done: look, and ask again"
NOBODY_HINT = "see /readyz and the log; `stop-writes` in the file STATE/KILL stops writes without anybody"

APART = "not-asked"
"""Why a process on another machine is not in an answer that was put together here: ask again in a moment."""

LIVE_HERE = Asked("GET", "/livez", {})
READY = Asked("GET", "/readyz", {})
METRICS = Asked("GET", "/metrics", {})

SERVING = frozenset({State.READY, State.LEAVING})
"""Those that may have calls under way; stops, keys and tokens, one that starts learns before it serves."""


class ParentDoor:
    """
    What answers at a parent's admin door; `house` reads the token that lies in the state folder.
    """

    def __init__(
        self,
        seats: Seats,
        workers: Workers,
        metrics: ParentMetrics,
        house: Callable[[], str],
        doors: Mapping[str, str],
        log: Log,
    ) -> None:
        self._seats, self._workers, self._metrics, self._house = seats, workers, metrics, house
        self._doors, self._log = doors, log
        self._totals, self._turn = Totals(), asyncio.Lock()
        self._stops, self._restarted_by = LastStop(workers, house, log), b""
        self._behind: set[asyncio.Task[None]] = set()
        self.is_stopping = False

    def __repr__(self) -> str:
        return f"ParentDoor({self._seats!r})"

    def app(self) -> web.Application:
        """
        Build its application.
        """
        own = {
            "/livez": self._livez, "/readyz": self._readyz, "/metrics": self._show_metrics,
            "/v1/restart": self._restart, "/v1/reload": self._reload,
        }  # fmt: skip
        ways: Mapping[Spread, Callable[[web.Request], Awaitable[web.Response]]] = {
            Spread.ANY: self._any, Spread.ALL: self._all, Spread.KEEPER: self._keeper, Spread.MERGED: self._merged,
            Spread.EACH: self._each,
        }  # fmt: skip
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        for (method, path), spread in SPREAD.items():
            # A breaker's key has colons and may have slashes.
            pattern = path.replace("{key}", "{key:.+}")
            app.router.add_route(method, pattern, own[path] if spread is Spread.PARENT else ways[spread])
        app.router.add_route("*", "/{rest:.*}", self._any)
        return app

    # ------------------------------------------------------------------------------------------------------- the parent

    async def _livez(self, _: web.Request) -> web.Response:
        return reply({"live": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        rows = await self._readiness()
        why = [f"worker {row['worker']}: {', '.join(row['why'])}" for row in rows if row["why"]]
        if self.is_stopping:
            why = ["stopping"]
        is_ready = not self.is_stopping and any(row["ready"] for row in rows)
        return reply({"ready": is_ready, "why": why, "workers": rows}, 200 if is_ready else 503)

    async def _readiness(self) -> list[dict[str, Any]]:
        serving = [seat.number for seat in self._seats.ready]
        answers = await self._workers.ask_all(serving, READY, LOOK_S)
        rows = []
        for seat in self._seats:
            answer = answers.get(seat.number)
            if seat.number not in answers:
                why = [str(seat.state)]
            else:
                why = ["it does not answer"] if answer is None else list((answer.json() or {}).get("why", ()))
            is_ready = answer is not None and answer.is_good
            rows.append({"worker": seat.number, "ready": is_ready, "why": why})
        return rows

    async def _show_metrics(self, _: web.Request) -> web.Response:
        pids = {seat.number: seat.pid for seat in self._seats}
        answers = await self._workers.ask_all(self._serving(), METRICS, LOOK_S)
        heard = []
        for seat in self._seats:
            answer, pid = answers.get(seat.number), pids[seat.number]
            # What a process said that was replaced meanwhile must not be taken for what the next one says.
            if answer is not None and answer.is_good and pid is not None and pid == seat.pid:
                self._totals.heard(seat.number, pid, read(answer.body.decode()))
                heard.append(seat.number)
        self._metrics.moved(self._seats)
        text = generate_latest(self._metrics.registry).decode() + spelled(self._totals.all(heard).values())
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _restart(self, request: web.Request) -> web.Response:
        asked = await Asked.of(request)
        shown, is_look = sha256(asked.headers.get("Authorization", "").encode()).digest(), asked.method == "GET"
        granted = await self._first(asked, LOOK_S if is_look else ANSWER_S)
        # While the only worker is replaced nobody can say who asks: it is shown to whoever was let in for this restart.
        is_known = is_look and granted == _nobody() and hmac.compare_digest(shown, self._restarted_by)
        if not granted.is_good and not is_known:
            return granted.passed_on()
        if not is_look:
            if self._seats.is_rolling or self.is_stopping:
                return refuse(409, "workers are being replaced already", "`breakwater status` shows how far that is")
            self._restarted_by = shown
            self.roll()
        seats = self._seats
        said = {
            "under_way": seats.is_rolling,
            "done": list(seats.rolled),
            "workers": len(seats.all),
            "why": seats.roll_why,
        }
        return reply(said, 202 if request.method == "POST" else 200)

    def roll(self) -> None:
        """
        Replace every worker's process, one after the other, behind whoever asks.
        """
        if not (self._seats.is_rolling or self.is_stopping):
            self._seats.begins_roll()
            self._start(self._seats.roll(self._sound))

    async def _sound(self, seat: Seat) -> bool:
        answer = await self._workers.ask(seat.number, READY, LOOK_S)
        return answer is not None and answer.is_good

    # ----------------------------------------------------------------------------------------------------------- reload

    async def _reload(self, request: web.Request) -> web.Response:
        return (await self.reload(await Asked.of(request))).passed_on()

    def reload_behind(self) -> None:
        """
        Have every worker take a changed configuration, as a signal asks for; what comes of it is in the log.
        """
        if not self.is_stopping:
            self._start(self._reload_as_house())

    async def _reload_as_house(self) -> None:
        asked = Asked("POST", "/v1/reload", {"Authorization": f"Bearer {self._house()}"})
        answer = await self.reload(asked)
        if not answer.is_good:
            said = answer.json() or {}
            self._log.event("config-refused", why=[str(said.get("error", answer.status))])

    async def reload(self, asked: Asked) -> Answered:
        """
        Have every worker take a changed configuration, or none: each one tries it before the first one takes it.
        """
        async with self._turn:
            serving = self._serving()
            if not serving:
                return _nobody()
            tried = await self._workers.ask_all(serving, Asked("POST", "/v1/reload?try=1", asked.headers))
            for number, answer in tried.items():
                if answer is None:
                    return _refused(503, f"worker {number} does not answer, so nothing was changed", "see /readyz")
                if not answer.is_good:
                    return answer
            taken = await self._workers.ask_all(serving, asked)
            # One that was just starting may have read the files before they were changed.
            unsure = await self._seats.settled(TOLD_S)
            taken |= await self._workers.ask_all(set(self._serving()) - taken.keys(), asked)
            taken |= {seat.number: None for seat in unsure}
            good = [answer for answer in taken.values() if answer is not None and answer.is_good]
            late = [number for number, answer in taken.items() if answer is None or not answer.is_good]
            if good and not late:
                return good[0]
            error = f"it is in force, but not in worker {', '.join(map(str, late))}"
            return _refused(503, error, "`breakwater restart` has every worker read it; see the log for why not")

    # ------------------------------------------------------------------------------------------------------ the workers

    def _serving(self) -> list[int]:
        return [seat.number for seat in self._seats if seat.state in SERVING]

    async def _first(self, asked: Asked, within_s: float = ANSWER_S) -> Answered:
        """
        Ask the first worker that serves, one that leaves after the others.

        What only looks is asked of the next one where that does not answer.
        """
        left = [seat.number for seat in sorted(self._seats, key=lambda seat: not seat.serves) if seat.state in SERVING]
        while left:
            number = await self._lively(left)
            left.remove(number)
            answer = await self._workers.ask(number, asked, within_s)
            if answer is not None:
                return answer
            if asked.method != "GET":
                return _refused(504, f"worker {number} was asked and did not answer", UNKNOWN_HINT)
        return _nobody()

    async def _lively(self, numbers: Sequence[int]) -> int:
        """
        Return the first worker that does not hang: for one that does whoever asks would wait in vain.
        """
        for number in numbers:
            if await self._workers.ask(number, LIVE_HERE, LIVES_S) is not None:
                return number
        return numbers[0]

    async def _any(self, request: web.Request) -> web.Response:
        return (await self._first(await Asked.of(request))).passed_on()

    async def _all(self, request: web.Request) -> web.Response:
        asked = await Asked.of(request)
        within_s = STOPPED_S if request.path == "/v1/kill" else TOLD_S
        answers = await self._workers.ask_all(self._serving(), asked, within_s)
        silent = [number for number, answer in answers.items() if answer is None]
        heard = [answer for answer in answers.values() if answer is not None]
        good = [answer for answer in heard if answer.is_good]
        if request.path == "/v1/kill" and good:
            refused = {number: answer for number, answer in answers.items() if answer and not answer.is_good}
            whys = [f"{named([number])} says: {error_of(answer)}" for number, answer in refused.items()]
            said = ordered([answer.json() for answer in good], silent, whys)
            self._stops.went(asked, said)
            for seat in self._seats:
                if answers.get(seat.number) is None:
                    self.moved(seat)
            return reply(said)
        if not heard:
            return refuse(503, NOBODY, NOBODY_HINT)
        if good and silent:
            return refuse(503, f"it is done, but {named(silent)} did not answer", "see /readyz, and say it once more")
        return (good or heard)[0].passed_on()

    def moved(self, seat: Seat) -> None:
        """
        Have a worker that came to serve hear of the stops that went to the others.
        """
        if seat.serves and self._stops and not self.is_stopping:
            self._start(self._stops.tell(seat))

    async def _each(self, request: web.Request) -> web.Response:
        asked = await Asked.of(request)
        answer = await self._first(asked)
        reached = heard_by(answer)
        if not reached:
            # It was refused before anybody else was asked, or there is nobody else.
            return answer.passed_on()
        left = {seat.number: seat.replica for seat in self._seats if seat.state in SERVING}
        left = {number: replica for number, replica in left.items() if replica not in reached}
        said = await self._workers.ask_all(left, asked.here(), TOLD_S)
        return together(answer, {left[number]: one for number, one in said.items()})

    async def _keeper(self, request: web.Request) -> web.Response:
        asked, keeper = await Asked.of(request), self._seats.all[0].number
        serving = self._serving()
        answer = await self._workers.ask(keeper, asked) if keeper in serving else None
        if answer is None:
            return refuse(503, "the first worker keeps the vault, and does not answer", "see /readyz and the log")
        if answer.is_good and asked.method != "GET":
            # One that was just starting may have read the vault before.
            unsure = await self._seats.settled(TOLD_S)
            others = [number for number in self._serving() if number != keeper]
            told = await self._workers.ask_all(others, Asked("POST", "/v1/vault", asked.headers), TOLD_S)
            late = [number for number, one in told.items() if one is None or not one.is_good]
            late += [seat.number for seat in unsure]
            if late:
                return refuse(503, f"it is done, but {named(late)} did not take it", "`breakwater restart` does")
        return answer.passed_on()

    async def _merged(self, request: web.Request) -> web.Response:
        asked = await Asked.of(request)
        answer = await self._first(asked)
        if not answer.is_good or request.query.get("here") == "1":
            return answer.passed_on()
        body, headers = await self._whole(asked, answer)
        if request.path == "/v1/status":
            body = await self._with_workers(body, asked)
        merged = reply(body)
        merged.headers.update(headers)
        return merged

    async def _whole(self, asked: Asked, answer: Answered) -> tuple[Any, Mapping[str, str]]:
        """
        Return what one worker says for all; where it did not hear of our others, ask each of them.
        """
        unheard = not_heard(answer.headers.get(UNHEARD, ""))
        there = set(heard_by(answer))
        own = {seat.replica for seat in self._seats if seat.state in SERVING}
        if own <= there or len(own) == 1:
            return answer.json(), {name: answer.headers[name] for name in (HEARD, UNHEARD) if name in answer.headers}
        said = await self._workers.ask_all(self._serving(), asked.here(), TOLD_S)
        heard = {seat.replica: one.json() for seat in self._seats if (one := said.get(seat.number)) and one.is_good}
        # What those on other machines have answered is in one piece with what is missing here.
        left = {
            replica: why for replica, why in (dict.fromkeys(there, APART) | unheard).items() if replica not in heard
        }
        rows = [{"replica": replica, "state": SILENT if why == SILENT else LIVE} for replica, why in left.items()]
        header = {UNHEARD: ",".join(f"{replica};{why}" for replica, why in left.items())} if left else {}
        path = asked.target.partition("?")[0]
        return (MERGED[path](heard, rows) if heard else answer.json()), header

    async def _with_workers(self, body: dict[str, Any], asked: Asked) -> dict[str, Any]:
        here = Asked("GET", "/v1/status?here=1", asked.headers)
        said = await self._workers.ask_all(self._serving(), here, LOOK_S)
        rows = []
        for seat in self._seats:
            one = said.get(seat.number)
            own = (one.json() or {}) if one is not None and one.is_good else {}
            rows.append(
                {
                    "worker": seat.number,
                    "replica": seat.replica or None,
                    "pid": seat.pid,
                    "state": str(seat.state),
                    "starts": seat.starts,
                    "ready": bool(own.get("ready")),
                    "why": own.get("why", ["it does not answer"] if seat.state in SERVING else [str(seat.state)]),
                    "policy": own.get("policy"),
                    "ledger": own.get("ledger"),
                    "in_flight": own.get("in_flight", 0),
                }
            )
        flying = sum(row["in_flight"] for row in rows)
        return {**body, "doors": dict(self._doors), "in_flight": flying, "workers": rows}

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def stops(self) -> None:
        """
        Say from now on that workers are being ended, and end what goes on behind whoever asked; they are asked still.
        """
        self.is_stopping = True
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)

    async def close(self) -> None:
        """
        Ask nobody any more.
        """
        await self._workers.close()


def _nobody() -> Answered:
    return _refused(503, NOBODY, NOBODY_HINT)


def _refused(status: int, error: str, hint: str) -> Answered:
    said = refuse(status, error, hint)
    assert isinstance(said.body, bytes)
    return Answered(status, {"Content-Type": "application/json"}, said.body)
