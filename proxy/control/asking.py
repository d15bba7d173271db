"""
What is asked at the admin door of one process and known by another: who is asked, and what each answers by a letter.

A look (`look`) is answered by every process and put together by `merged`; who asks for `here=1` has the answer of one.
What is done about one thing (`act`) is done by the process in whose record it stands: it is asked which that is first,
and nothing is done by two. What each process has to do for itself (`reach`) is done here first, and then by the others.
Who acts, and by which roles, is told with the question and looked up again where it is answered: nobody has a role
there that the configuration of that process does not give, and whatever is done is on record with the name and with the
process that let that person in.

An answer to a look that does not come is named as not heard. Of a deed whose answer does not come nobody knows here
whether it was done: that is said, and it may be asked for again, because each is done once at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from config.faults import listed
from config.operators import RESERVED
from proxy.control.acting import HOUSE, Operator, acting
from proxy.control.merged import HEARD, LIVE, SILENT, UNHEARD, Merge
from proxy.control.reply import in_order, refuse, reply
from proxy.control.roles import LOOKS, lacking
from proxy.ledger.access import Access
from proxy.letters import Answer, Heard, Letters, Question, Unheard
from proxy.operators import Operators

HERE = "here"
"""The query by which one process is asked for what it knows alone."""

WHOSE = "/v1/whose/{kind}/{id}"
"""Asks whether something stands in the record of whoever is asked."""

ACTS_WITHIN_S = 8.0
"""For an answer to what is done: less than a command waits at the door."""

UNKNOWN = 504

NOTHING_THERE = frozenset({404, 409})
"""What a process answers that has nothing to do where others may have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What somebody asks of this process, at its door or by a letter.
    """

    who: Operator
    match: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answering = Callable[[Asked], Awaitable[web.Response]]
Owns = Callable[[str], Awaitable[bool | None]]
"""Says of an id whether it is this process's: None where it is nobody's, as far as is known here."""


@dataclass(frozen=True, slots=True)
class Route:
    """
    One call that is answered by letter, too.
    """

    method: str
    path: str
    answering: Answering

    def question(self, asked: Asked, query: Mapping[str, str] | None = None) -> Question:
        """
        Return what is asked of another process.
        """
        who = asked.who
        said = (asked.match, asked.query if query is None else query, asked.body)
        return Question(self.method, self.path, who.name, who.roles, who.personal, *said)


class Asking:
    """
    The calls at one admin door that several processes answer.
    """

    def __init__(self, app: web.Application, letters: Letters, operators: Operators, access: Access) -> None:
        self._app, self._letters, self._operators, self._access = app, letters, operators, access
        self._routes: dict[tuple[str, str], Route] = {}
        self._owns: dict[str, Owns] = {}
        letters.answering = self.answered
        self._add(Route("GET", WHOSE, self._whose), self._here)

    def __repr__(self) -> str:
        return f"Asking({len(self._routes)} routes)"

    def look(self, path: str, answering: Answering, merge: Merge, *, reads: bool = False) -> None:
        """
        Add a look that every process answers, from what it `reads` in its record where that is so.
        """

        async def asked_all(route: Route, asked: Asked) -> web.Response:
            return await self._looked(route, asked, merge, reads=reads)

        self._add(Route("GET", path, answering), asked_all)

    def act(
        self, method: str, path: str, answering: Answering, kind: str, within_s: Callable[[Asked], float] | None = None
    ) -> None:
        """
        Add what is done, or shown, by the process that has the thing; its id is the path's one open member.
        """

        async def asked_one(route: Route, asked: Asked) -> web.Response:
            waits_s = ACTS_WITHIN_S if within_s is None else within_s(asked)
            return await self._acted(route, asked, kind, waits_s)

        self._add(Route(method, path, answering), asked_one)

    def reach(self, method: str, path: str, answering: Answering) -> None:
        """
        Add what every process does, each on its own record; one that has nothing to do there says so (`NOTHING_THERE`).
        """
        self._add(Route(method, path, answering), self._reached)

    def owns(self, kind: str, owns: Owns) -> None:
        """
        Say what tells whether a thing of one kind is this process's.
        """
        self._owns[kind] = owns

    def _add(self, route: Route, way: Callable[[Route, Asked], Awaitable[web.Response]]) -> None:
        async def handle(request: web.Request) -> web.Response:
            asked = Asked(acting(request), dict(request.match_info), dict(request.query), await request.read())
            return await way(route, asked)

        self._routes[route.method, route.path] = route
        add = self._app.router.add_get if route.method == "GET" else self._app.router.add_post
        add(route.path, handle)

    async def answered(self, question: Question, sender: str) -> Answer:
        """
        Answer what another process asks for one of its operators.
        """
        route = self._routes.get((question.method, question.path))
        who = self._operator(question)
        if route is None:
            said = refuse(404, "this process answers no such question", "every process has to run the same version")
        elif who is None:
            said = refuse(403, f"{question.actor} is no operator here", "see `operators` in the configuration")
        elif (no := lacking(question.method, question.path, who)) is not None:
            said = refuse(403, *no)
        else:
            asked = Asked(who, question.match, {**question.query, HERE: "1"}, question.body)
            said = await in_order(lambda one: self._recorded(route, one, sender), asked)
        return Answer(said.status, said.body if isinstance(said.body, bytes) else b"")

    async def _recorded(self, route: Route, asked: Asked, sender: str) -> web.Response:
        if route.method not in LOOKS:
            await self._access.asked(asked.who.name, sender, f"{route.method} {route.path}", _id(asked))
        return await route.answering(asked)

    def _operator(self, question: Question) -> Operator | None:
        if not question.personal:
            return Operator(RESERVED, HOUSE.roles & question.roles, personal=False)
        roles = self._operators.roles.get(question.actor)
        return None if roles is None else Operator(question.actor, roles & question.roles)

    async def _here(self, route: Route, asked: Asked) -> web.Response:
        return await route.answering(asked)

    async def _whose(self, asked: Asked) -> web.Response:
        owns = self._owns.get(asked.match["kind"])
        if owns is None:
            return refuse(404, "nothing of that kind belongs to one process", f"kinds: {listed(sorted(self._owns))}")
        return reply({"mine": await owns(asked.match["id"]) is True})

    async def _looked(self, route: Route, asked: Asked, merge: Merge, *, reads: bool) -> web.Response:
        said = await route.answering(asked)
        if self._letters.is_alone or HERE in asked.query or said.status >= 400:  # the protocol's own bound
            return said
        heard = await self._letters.ask_all(route.question(asked), reads=reads)
        assert isinstance(said.body, bytes)
        good = {replica: one for replica, one in heard.answers.items() if one.status < 400}  # the protocol's own bound
        answers = {self._letters.replica: orjson.loads(said.body), **{name: one.data for name, one in good.items()}}
        unheard = {**heard.unheard, **dict.fromkeys(heard.answers.keys() - good.keys(), Unheard.REFUSED)}
        return reply(merge(answers, rows(heard, unheard)), headers={HEARD: ",".join(answers), **beside(unheard)})

    async def _reached(self, route: Route, asked: Asked) -> web.Response:
        said = await route.answering(asked)
        is_wrong = said.status >= 400 and said.status not in NOTHING_THERE  # the protocol's own bound
        if self._letters.is_alone or HERE in asked.query or is_wrong:
            return said
        heard = await self._letters.ask_all(route.question(asked), reads=True)
        assert isinstance(said.body, bytes)
        every = {self._letters.replica: Answer(said.status, said.body), **heard.answers}
        good = {replica: one for replica, one in every.items() if one.status < 400}  # the protocol's own bound
        there = [replica for replica, one in every.items() if replica in good or one.status in NOTHING_THERE]
        unheard = {**heard.unheard, **dict.fromkeys(every.keys() - set(there), Unheard.REFUSED)}
        if good:
            said = reply({**next(iter(good.values())).data, "replicas": list(good)})
        said.headers.update({HEARD: ",".join(there), **beside(unheard)})
        return said

    async def _acted(self, route: Route, asked: Asked, kind: str, within_s: float) -> web.Response:
        id_ = _id(asked)
        if self._letters.is_alone or HERE in asked.query or await self._owns[kind](id_) is not False:
            # Its own, or nobody's: what is wrong with that it says itself.
            return await route.answering(asked)
        whose = Question("GET", WHOSE, asked.who.name, asked.who.roles, asked.who.personal, {"kind": kind, "id": id_})
        heard = await self._letters.ask_all(whose)
        owner = next((name for name, one in heard.answers.items() if one.status == 200 and one.data["mine"]), None)
        if owner is None:
            return _nowhere(kind, id_, heard)
        heard = await self._letters.ask(route.question(asked), [owner], within_s)
        if owner in heard.answers:
            answer = heard.answers[owner]
            return web.Response(body=answer.body, status=answer.status, content_type="application/json")
        return _unanswered(route, owner, heard.unheard[owner])


def rows(heard: Heard, unheard: Mapping[str, Unheard]) -> Sequence[Mapping[str, Any]]:
    """
    Return what is said of processes that were not heard.
    """
    said = {one.replica: one.said for one in heard.others}
    return [
        {"replica": name, **said.get(name, {}), "state": SILENT if why is Unheard.SILENT else LIVE, "unheard": str(why)}
        for name, why in unheard.items()
    ]


def beside(unheard: Mapping[str, Unheard]) -> Mapping[str, str]:
    """
    Return the header that names who was not heard.
    """
    return {UNHEARD: ",".join(f"{name};{why}" for name, why in sorted(unheard.items()))} if unheard else {}


def _id(asked: Asked) -> str:
    return next(iter(asked.match.values()), "")


def _nowhere(kind: str, id_: str, heard: Heard) -> web.Response:
    if not heard.unheard:
        hint = "`breakwater fleet list` prints the processes; start the one that has it"
        return refuse(409, f"the {kind} {id_[:40]} stands in the record of no process that runs", hint)
    who = listed(sorted(heard.unheard))
    hint = "`breakwater fleet list` says how it stands; ask again once it is heard"
    return refuse(409, f"the {kind} {id_[:40]} stands in the record of a process that was not heard: {who}", hint)


def _unanswered(route: Route, owner: str, why: Unheard) -> web.Response:
    if route.method in LOOKS:
        return refuse(
            UNKNOWN, f"the process {owner}, which has it, was not heard ({why})", "ask again, or ask it there"
        )
    hint = "ask for it again: it is done once at most; `show` and `list` say how it stands"
    return refuse(UNKNOWN, f"the process {owner} did not answer ({why}): whether it was done is not known", hint)
