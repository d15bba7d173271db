"""Operators' personal tokens over the admin door: made and shown once, listed, taken back at once."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from config.faults import did_you_mean
from proxy.announcing import Announcer
from proxy.board import Board
from proxy.clock import Randomness
from proxy.control.acting import acting
from proxy.control.reply import refuse, reply
from proxy.errors import StartRefused
from proxy.keys import OperatorToken, make_operator_token
from proxy.ledger.access import KIND, Access, minted_notice, revoked_notice
from proxy.operators import Operators


def add_operators(
    app: web.Application,
    operators: Operators,
    access: Access,
    announcer: Announcer,
    board: Board,
    randomness: Randomness,
) -> None:
    """
    Add what `breakwater operator` asks of a running process.
    """

    async def mint(request: web.Request) -> web.Response:
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        name = body.get("operator") if isinstance(body, dict) and len(body) == 1 else None
        if not isinstance(name, str):
            return refuse(400, 'the body is not {"operator": NAME}', "send JSON with the operator's name")
        try:
            made = await minted(operators, access, name, acting(request).name, randomness)
        except StartRefused as no:
            return refuse(400, no.error, no.hint)
        await board.try_look()
        said = {"operator": name, "token": made["id"], "roles": made["roles"], "state": "valid"}
        announcer.say(KIND, minted_notice(made["id"]), {**said, "by": acting(request).name})
        return reply(made, 201)

    async def listed(_: web.Request) -> web.Response:
        return reply(rows(operators))

    async def revoke(request: web.Request) -> web.Response:
        kid = request.match_info["kid"]
        stood = any(token.kid == kid and not token.revoked for token in operators.tokens.all())
        try:
            gone = await revoked(operators, access, kid, acting(request).name)
        except StartRefused as no:
            return refuse(404, no.error, no.hint)
        if stood:
            await board.try_look()
            said = {"operator": gone["operator"], "token": kid, "state": gone["state"], "by": acting(request).name}
            announcer.say(KIND, revoked_notice(kid), said)
        return reply(gone)

    app.router.add_post("/v1/operators", mint)
    app.router.add_get("/v1/operators", listed)
    app.router.add_delete("/v1/operators/{kid}", revoke)


async def minted(operators: Operators, access: Access, name: str, by: str, randomness: Randomness) -> dict[str, Any]:
    """
    Make a token for an operator, on record before it counts; return it with its text.

    Raise `StartRefused` where the configuration has no operator of that name.
    """
    if name not in operators.roles:
        hint = did_you_mean(name, operators.roles) or "write it under `operators` first"
        raise StartRefused("there is no operator of that name", hint)
    token, text = make_operator_token(name, randomness)
    await access.operator_minted(name, token.kid, token.digest, by)
    operators.tokens.minted(token)
    return {"operator": name, "id": token.kid, "roles": sorted(operators.roles[name]), "token": text}


async def revoked(operators: Operators, access: Access, kid: str, by: str) -> dict[str, Any]:
    """
    Make a token worth nothing from now on, on record first.

    Raise `StartRefused` where no token has that id.
    """
    token = next((one for one in operators.tokens.all() if one.kid == kid), None)
    if token is None:
        raise StartRefused("no operator's token has that id", "`breakwater operator list` prints the ids")
    if not token.revoked:
        await access.operator_revoked(kid, by)
        operators.tokens.revoked(kid)
    return {"id": kid, "operator": token.operator, "state": "revoked"}


def rows(operators: Operators) -> list[dict[str, Any]]:
    """
    Return every token as it is listed, and every operator who has none.
    """
    tokens = operators.tokens.all()
    bare = [name for name in operators.roles if not any(token.operator == name for token in tokens)]
    return [
        *({"operator": one.operator, "id": one.kid, "state": _state(operators, one)} | _roles(operators, one.operator)
          for one in tokens),
        *({"operator": name, "id": None, "state": "none"} | _roles(operators, name) for name in bare),
    ]  # fmt: skip


def _roles(operators: Operators, name: str) -> dict[str, Any]:
    return {"roles": sorted(operators.roles.get(name, ()))}


def _state(operators: Operators, token: OperatorToken) -> str:
    if token.revoked:
        return "revoked"
    return "valid" if token.operator in operators.roles else "no operator"
