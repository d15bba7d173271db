"""
A play: where a client is sent, the steps of its script, and what it made of each answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.sandbox import Sandbox
from tests.clients.compare import Step, leaves

# Of an answer's headers, those that say something about it to a client or its user.
HEADERS = ("content-type", "link", "location", "retry-after", "x-github-media-type", "x-ratelimit-limit")

THROTTLED = 429


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where a client is sent, with which key, and the upstream that is told to fail on its way; `bases` are the URLs of
    an API's further bases, `heard` is what a client in another process tells of the bytes that it received.
    """

    base: str
    key: str
    upstream: Sandbox
    name: str
    bases: Mapping[str, str] = field(default_factory=dict)
    socket: str = ""
    heard: bytearray = field(default_factory=bytearray)


Script = Callable[..., list[Step]]
"""What plays at a target; one in another process also takes which part of it."""


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
        # One that asks for fewer calls is left alone by us for as long as it says: here, for no time at all.
        retry_after_s = 0 if status == THROTTLED else None
        told = Status(status, f"Told to say {status}.", retry_after_s=retry_after_s)
        self.upstream.faults.add(Fault(told, method=method, times=None))
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
