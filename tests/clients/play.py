"""
A play: the steps of a script, what the client made of each answer, and every byte of the answers behind them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import requests

from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.sandbox import Sandbox
from tests.clients.compare import Step, leaves

# Of an answer's headers, those that say something about it to a client or its user.
HEADERS = ("content-type", "link", "location", "retry-after", "x-github-media-type", "x-ratelimit-limit")


@dataclass(slots=True)
class Player:
    """
    Plays steps: `shown` makes plain data of what a client returned, `refused` of what it raised (`errors`).
    """

    errors: tuple[type[Exception], ...]
    shown: Callable[[Any], Any]
    refused: Callable[[Any], Any]
    upstream: Sandbox
    steps: list[Step] = field(default_factory=list)

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        """
        Make one call; return its value, or None where the client raised.
        """
        try:
            value = call()
            # A list may be fetched a page at a time while it is walked.
            value = list(value) if hasattr(value, "__next__") or isinstance(value, list) else value
        except self.errors as error:
            self.steps.append(Step(name, "error", {"class": type(error).__name__, **self.refused(error)}))
            return None
        seen = [self.shown(each) for each in value] if isinstance(value, list) else self.shown(value)
        self.steps.append(Step(name, "list" if isinstance(value, list) else type(value).__name__, seen))
        return value

    def fails(self, name: str, call: Callable[[], Any], status: int, method: str = "GET") -> None:
        """
        Make a call at which the upstream fails on command.
        """
        self.upstream.faults.add(Fault(Status(status, f"Told to say {status}."), method=method, times=None))
        try:
            assert self(name, call) is None, f"{name} did not fail"
        finally:
            self.upstream.faults.clear()


def told(headers: Mapping[str, Any]) -> dict[str, str]:
    """
    Return those headers of an answer that matter to a user, under small names.
    """
    small = {str(name).lower(): str(value) for name, value in headers.items()}
    return {name: small[name] for name in HEADERS if name in small}


def placed(steps: list[Step], places: Mapping[str, str]) -> list[Step]:
    """
    Return the steps with every URL of these places named by what it is.
    """
    longest = sorted(places, key=len, reverse=True)

    def named(value: Any) -> Any:
        if isinstance(value, str):
            for url in longest:
                value = value.replace(url, places[url])
            return value
        if isinstance(value, dict):
            return {key: named(inner) for key, inner in value.items()}
        return [named(inner) for inner in value] if isinstance(value, list) else value

    return [Step(step.name, step.kind, named(step.answer)) for step in steps]


def mentions(steps: list[Step], text: str) -> list[str]:
    """
    Return where in the steps a text stands.
    """
    return [
        "/".join(map(str, (step.name, *path)))
        for step in steps
        for path, leaf in leaves(step.answer)
        if isinstance(leaf, str) and text in leaf
    ]


@contextlib.contextmanager
def received(heard: bytearray) -> Iterator[None]:
    """
    Write down every answer that a client in Python gets: the two libraries under all of them are `requests` and httpx.
    """
    by_requests, by_httpx = requests.Session.send, httpx.Client.send

    def heard_by_requests(session: requests.Session, request: Any, **more: Any) -> requests.Response:
        answer = by_requests(session, request, **more)
        heard.extend(json.dumps(dict(answer.headers)).encode() + answer.content)
        return answer

    def heard_by_httpx(client: httpx.Client, request: httpx.Request, **more: Any) -> httpx.Response:
        answer = by_httpx(client, request, **more)
        heard.extend(json.dumps(dict(answer.headers)).encode() + answer.content)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", heard_by_requests)
        patch.setattr(httpx.Client, "send", heard_by_httpx)
        yield
