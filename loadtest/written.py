"""A user's own scenario as it is written: whom to call, what, how often, what may be answered, what is promised."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from config.consistency import door_of
from config.faults import Fault, Unreadable, did_you_mean
from config.load import Configuration
from config.shape import Places
from config.source import Trail
from config.written import Frozen, Strict, read_text, read_whole
from loadtest.profiles import PROFILES
from loadtest.promises import Number, Promise, Text, each_faults

SANDBOX = "sandbox"
"""In the place of an upstream's address: the stateful sandbox of that vendor, which is started beside the load."""

# Vendors of whom there is one.
VENDORS = ("stripe", "github", "jira")

Whole = Annotated[int, BeforeValidator(read_whole)]


class KeySource(Strict):
    """
    Where an agent's key is: the environment, or a file that holds nothing else.
    """

    env: Text | None = None
    file: Text | None = None


class Target(Strict):
    """
    Who is called: `doors` that are served already, under `key`; or a configuration that is started for the run, in a
    state folder of its own, with `upstreams` in the place of its own ones, under a new key of `agent`.
    """

    doors: Frozen[Text] | None = None
    key: KeySource | None = None
    config: Text | None = None
    agent: Text | None = None
    upstreams: Frozen[Text] = Field(default_factory=dict)


class Called(Strict):
    """
    One operation: `{number}` in path, headers and body is another number in each call. Of a hundred calls `repeats` are
    an earlier one's, byte for byte. `expect` is every answer that is right: a status, or one with our reason.
    """

    name: Text
    door: Text
    path: Text
    method: Text = "GET"
    weight: Whole = 1
    headers: Frozen[Text] = Field(default_factory=dict)
    body: str | None = None
    form: Frozen[Text] | None = None
    user: Text | None = None
    expect: tuple[Annotated[str, BeforeValidator(str)], ...] = ("200",)
    repeats: Whole = 0


class OwnPromise(Promise):
    """
    A promise of the scenario's own figures.
    """

    scenario: Text = ""


class Own(Strict):
    """
    The file.
    """

    name: Text
    question: Text = "Does it hold what its file promises?"
    target: Target
    operations: tuple[Called, ...]
    seconds: Number = 10.0
    per_second: Number | None = None
    connections: Whole = 16
    seed: Whole = 0
    promises: tuple[OwnPromise, ...] = ()


def faults(own: Own, places: Places, *, remote: bool) -> Iterator[Fault]:
    """
    Find what is wrong with a scenario beyond its shape.
    """
    yield from _target_faults(own.target, places, remote=remote)
    if not own.operations:
        yield places.key(("operations",)).fault("there is nothing to call", "write at least one operation")
    names = set[str]()
    for number, called in enumerate(own.operations):
        yield from _called_faults(called, own, places, ("operations", number))
        if called.name in names:
            at = places.value(("operations", number, "name"))
            yield at.fault(f"`{called.name}` stands here twice", "give each operation a name of its own")
        names.add(called.name)
    for name, value in (("seconds", own.seconds), ("connections", own.connections), ("per_second", own.per_second)):
        if value is not None and value <= 0:
            yield places.value((name,)).fault("this is too little", "write more than 0")
    for number, promise in enumerate(own.promises):
        yield from each_faults(promise, places, ("promises", number), PROFILES)


def misfits(own: Own, configuration: Configuration, places: Places) -> Iterator[Fault]:
    """
    Find what a scenario names and its configuration does not have.
    """
    target, apis = own.target, configuration.apis
    if target.agent not in configuration.agents:
        agent = str(target.agent)
        hint = did_you_mean(agent, configuration.agents)
        yield places.value(("target", "agent")).fault(f"the configuration has no agent `{agent[:40]}`", hint)
    for name in target.upstreams:
        if name not in apis:
            at = places.key(("target", "upstreams", name))
            yield at.fault(f"the configuration has no API `{name[:40]}`", did_you_mean(name, apis))
    doors = {door_of(api, base, configuration.bases(api)) for api, base in configuration.doors()}
    for number, called in enumerate(own.operations):
        yield from _door_faults(called, doors, places, ("operations", number))


def _target_faults(target: Target, places: Places, *, remote: bool) -> Iterator[Fault]:
    at = ("target",)
    if (target.doors is None) == (target.config is None):
        yield places.key(at).fault("a target is `doors` or a `config`", "write one of them")
    if target.doors is not None and target.key is None:
        yield places.key((*at, "doors")).fault("nobody says under which key", "add `key: {env: NAME}`")
    if target.key is not None and (target.key.env is None) == (target.key.file is None):
        yield places.value((*at, "key")).fault("a key has one place", "write `{env: NAME}` or `{file: PATH}`")
    if target.config is not None and target.agent is None:
        yield places.key((*at, "config")).fault("nobody says whose calls these are", "add `agent: NAME`")
    for section, urls in (("doors", target.doors or {}), ("upstreams", target.upstreams)):
        for name, url in urls.items():
            if section == "upstreams" and url == SANDBOX:
                if name not in VENDORS:
                    hint = did_you_mean(name, VENDORS)
                    yield places.key((*at, section, name)).fault(f"there is no sandbox of `{name[:40]}`", hint)
                continue
            try:
                address_of(url, remote=remote)
            except Unreadable as wrong:
                yield places.value((*at, section, name)).fault(wrong.message, wrong.hint)


def _called_faults(called: Called, own: Own, places: Places, at: Trail) -> Iterator[Fault]:
    if own.target.doors is not None:
        yield from _door_faults(called, own.target.doors, places, at)
    if called.method.upper() == "HEAD":
        hint = "call GET: an answer to HEAD tells the length of what it does not have"
        yield places.value((*at, "method")).fault("HEAD cannot be called here", hint)
    if not called.path.startswith("/"):
        yield places.value((*at, "path")).fault("a path begins with `/`", f"write `/{called.path[:40]}`")
    if called.body is not None and called.form is not None:
        yield places.key((*at, "form")).fault("a call has one body", "write `body` or `form`")
    if called.weight < 1:
        yield places.value((*at, "weight")).fault("this is too little", "write at least 1")
    if called.repeats > 100 or (called.repeats and own.per_second is None):
        hint = "write a part of a hundred, and `per_second`: without a rate every call is a new one"
        yield places.value((*at, "repeats")).fault("this cannot be repeated so often", hint)
    for name, value in {"": called.method + called.path, **called.headers}.items():
        if any(ord(letter) < 32 or letter == "\x7f" for letter in name + value) or (not name and " " in value):
            hint = "write it on one line, method and path without spaces"
            yield places.value(at).fault("a method, a path or a header ends early here", hint)


def _door_faults(called: Called, doors: Collection[str], places: Places, at: Trail) -> Iterator[Fault]:
    if called.door not in doors:
        hint = did_you_mean(called.door, doors)
        yield places.value((*at, "door")).fault(f"there is no door `{called.door[:40]}`", hint)


def address_of(url: str, *, remote: bool) -> str:
    """
    Return the `HOST:PORT` of an address that may be called.

    Raise `Unreadable` for all but plain HTTP, and for what is not on loopback unless `remote` lets it.
    """
    at = urlsplit(url)
    try:
        port = at.port
    except ValueError:
        port = None
    if at.scheme != "http" or not at.hostname or port is None or at.path.strip("/") or at.query:
        raise Unreadable(f"`{url[:60]}` is not an address", "write `http://127.0.0.1:PORT`, without a path")
    if not remote and not is_loopback(at.hostname):
        raise Unreadable(f"`{at.hostname[:60]}` is not on loopback", "say --allow-remote if you mean it, and own it")
    return at.netloc


def is_loopback(host: str) -> bool:
    """
    Tell whether a host is this machine.
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_key(source: KeySource, folder: Path, environment: Mapping[str, str]) -> str:
    """
    Return an agent's key; raise `Unreadable` where there is none.
    """
    if source.env is not None:
        if not (key := environment.get(source.env, "").strip()):
            raise Unreadable(f"the variable {source.env} holds no key", f"run `export {source.env}=…`")
        return key
    path = folder / read_text(source.file)
    hint = "name a file that holds the key"
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}", hint) from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: this is no text", hint) from None
    if not key:
        raise Unreadable(f"{path}: there is no key in it", hint)
    return key
