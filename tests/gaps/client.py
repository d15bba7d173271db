"""One write through the door, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.crash.site import Site


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a client was told; `ours` holds Breakwater's own headers.
    """

    status: int
    ours: Mapping[str, str]
    body: Any


async def write(
    site: Site,
    headers: Mapping[str, str] | None = None,
    path: str = "/v1/customers",
    form: Mapping[str, str] | None = None,
) -> Answer | None:
    """
    Send one write, a new customer unless told otherwise; return None where the connection broke without an answer.
    """
    said = {"Authorization": f"Bearer {site.keys[0]}", **(headers or {})}
    url = site.doors["stripe"] + path
    try:
        async with (
            aiohttp.ClientSession(headers=said) as session,
            session.post(url, data=form or {"name": "a"}) as answer,
        ):
            ours = {n.lower().removeprefix("breakwater-"): v for n, v in answer.headers.items()}
            return Answer(answer.status, ours, await answer.json(content_type=None))
    except (aiohttp.ClientError, OSError):
        return None
