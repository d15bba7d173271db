"""
The vault over the admin door: what a secret is travels in a request's body, and in no answer.

What cannot be done is 409 with what to do instead; the process takes a new version at once, for the next call.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from proxy.control.reply import in_words, refuse, reply
from proxy.credentials import Credentials
from proxy.errors import StartRefused
from proxy.secret import Secret, admit_secret
from proxy.vault import Version

BODY_HINT = 'send {"secret": TEXT}, or {"to": VERSION} to go back to a former one'


def add_vault(app: web.Application, credentials: Credentials) -> None:
    """
    Add what `breakwater vault` asks of a running process.
    """

    async def listed(_: web.Request) -> web.Response:
        return reply(await credentials.listed())

    async def put(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            return reply(said(await credentials.put(name, _secret(await _body(request), name))), 201)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)

    async def rotate(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            body = await _body(request)
            if type(number := body.get("to")) is int and len(body) == 1:
                return reply(said(await credentials.go_back(name, number)), 201)
            return reply(said(await credentials.rotate(name, _secret(body, name))), 201)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)

    async def remove(request: web.Request) -> web.Response:
        number = request.match_info.get("number")
        try:
            gone = await credentials.remove(request.match_info["name"], int(number) if number is not None else None)
        except StartRefused as no:
            return refuse(409, no.error, no.hint)
        return reply([said(version) for version in gone])

    async def again(_: web.Request) -> web.Response:
        await credentials.again()
        return reply(await credentials.listed())

    app.router.add_get("/v1/vault", listed)
    app.router.add_post("/v1/vault", in_words(again))
    app.router.add_post("/v1/vault/{name}", put)
    app.router.add_post("/v1/vault/{name}/versions", rotate)
    app.router.add_delete("/v1/vault/{name}", remove)
    app.router.add_delete(r"/v1/vault/{name}/versions/{number:[1-9][0-9]{0,8}}", remove)


def said(version: Version) -> dict[str, object]:
    """
    Return what is said of a version that was made or removed.
    """
    return {"name": version.name, "version": version.number}


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        # Its message would quote the body.
        body = None
    if not isinstance(body, dict):
        raise StartRefused("the body is not a JSON object", BODY_HINT)
    return body


def _secret(body: dict[str, Any], name: str) -> Secret:
    text = body.get("secret")
    if not isinstance(text, str) or len(body) != 1:
        raise StartRefused("the body has no secret, or more than that", BODY_HINT)
    return admit_secret(text, f"the secret of '{name[:63]}'", "the request's body", BODY_HINT)
